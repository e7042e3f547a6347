internal import Synchronization

/// How many connections a listener serves at once: nobody who opens many shall take the process's descriptors.
final class ConnectionQuota: Sendable {
  static let connectionsMax = 64
  private let count = Atomic(0)

  func take() -> Bool {
    if count.add(1, ordering: .relaxed).newValue <= Self.connectionsMax { return true }
    giveBack()
    return false
  }

  func giveBack() { count.subtract(1, ordering: .relaxed) }
}
