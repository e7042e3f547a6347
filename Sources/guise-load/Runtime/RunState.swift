internal import Synchronization

/// What a role and the thread that watches it share.
final class RunState: Sendable {
  private let stopFlag = Atomic<Bool>(false)
  private let datagramCount = Atomic<UInt64>(0)
  private let byteCount = Atomic<UInt64>(0)

  /// Asks the role to come to an end.
  func stop() { stopFlag.store(true, ordering: .relaxed) }

  var isStopping: Bool { stopFlag.load(ordering: .relaxed) }

  /// Datagrams and payload bytes so far, for the progress line. Written by the role's thread alone.
  func show(datagrams: UInt64, bytes: UInt64) {
    datagramCount.store(datagrams, ordering: .relaxed)
    byteCount.store(bytes, ordering: .relaxed)
  }

  var datagrams: UInt64 { datagramCount.load(ordering: .relaxed) }
  var bytes: UInt64 { byteCount.load(ordering: .relaxed) }
}
