internal import Synchronization

/// The endpoints of a client's servers, in order of preference: written by one thread, read by the workers
/// when they open a flow.
///
/// A sequence lock: the version is odd while somebody writes. Nothing of it is on the packet's path.
/// A trivial handle.
@safe
package struct RemoteBoard: @unchecked Sendable {
  package let count: Int
  private let version: UnsafeMutablePointer<Atomic<UInt64>>
  private let isLookUpWanted: UnsafeMutablePointer<Atomic<Bool>>
  /// Three for each endpoint: the address's two words and the port.
  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  package init(_ endpoints: [Endpoint]) {
    precondition((1...Limits.remotesMax).contains(endpoints.count))
    count = endpoints.count
    unsafe version = .allocate(capacity: 1)
    unsafe version.initialize(to: Atomic(0))
    unsafe isLookUpWanted = .allocate(capacity: 1)
    unsafe isLookUpWanted.initialize(to: Atomic(false))
    unsafe words = .allocate(capacity: 3 * count)
    for index in 0..<3 * count { unsafe (words + index).initialize(to: Atomic(0)) }
    write(endpoints)
  }

  /// No worker may run any more.
  package func deallocate() {
    unsafe version.deinitialize(count: 1)
    unsafe version.deallocate()
    unsafe isLookUpWanted.deinitialize(count: 1)
    unsafe isLookUpWanted.deallocate()
    unsafe words.deinitialize(count: 3 * count)
    unsafe words.deallocate()
  }

  /// Replaces all of them. One caller at a time.
  package func write(_ endpoints: [Endpoint]) {
    precondition(endpoints.count == count)
    unsafe version.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
    for (index, endpoint) in endpoints.enumerated() {
      unsafe words[3 * index].store(endpoint.address.high, ordering: .releasing)
      unsafe words[3 * index + 1].store(endpoint.address.low, ordering: .releasing)
      unsafe words[3 * index + 2].store(UInt64(endpoint.port), ordering: .releasing)
    }
    unsafe version.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  /// Changes with each `write`.
  var edition: UInt64 { unsafe version.pointee.load(ordering: .acquiring) }

  subscript(index: Int) -> Endpoint {
    precondition(index < count)
    while true {
      let before = edition
      let high = unsafe words[3 * index].load(ordering: .acquiring)
      let low = unsafe words[3 * index + 1].load(ordering: .acquiring)
      let port = unsafe words[3 * index + 2].load(ordering: .acquiring)
      guard before & 1 == 0, edition == before else { continue }
      return Endpoint(Address(high: high, low: low), port: UInt16(port))
    }
  }

  // MARK: - Look-ups

  /// A worker's flows get no answer: their server's name should be looked up again.
  func wantLookUp() { unsafe isLookUpWanted.pointee.store(true, ordering: .relaxed) }

  /// Whether that was asked since the last call.
  package func takeLookUpWish() -> Bool { unsafe isLookUpWanted.pointee.exchange(false, ordering: .relaxed) }
}
