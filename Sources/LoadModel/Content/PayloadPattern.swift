internal import Glibc

/// The bytes behind the heads: one block of noise, of which each datagram carries a slice that follows
/// from its run, flow and sequence number.
///
/// A sender points the kernel at the slice instead of filling a buffer, and a receiver compares with
/// `memcmp`. Slices of neighbouring datagrams begin at different places, so a body that was swapped,
/// shifted or cut does not match.
@safe
package struct PayloadPattern: @unchecked Sendable {
  // Safety: written once in `init`, read-only afterwards, never freed: `shared` is the only one.
  private let bytes: UnsafePointer<UInt8>

  /// Where slices begin: 4096 places.
  private static let startCount = 1 << 12
  /// The largest UDP payload over IPv4 (65 535 less 28 bytes of headers).
  package static let datagramSizeMax = 65_507

  package static let shared = PayloadPattern()

  private init() {
    let count = Self.startCount + Self.datagramSizeMax
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    var random = RandomSource(seed: 0x6775_6973_65)
    for index in 0..<count {
      unsafe (memory + index).initialize(to: UInt8(truncatingIfNeeded: random.next()))
    }
    unsafe bytes = UnsafePointer(memory)
  }

  /// The first byte of the body that goes with `head`; `head.length` less the head's bytes are valid.
  @inline(__always)
  package func body(of head: DatagramHead) -> UnsafePointer<UInt8> {
    let identity = head.sequence ^ UInt64(head.flow) << 48 ^ UInt64(head.run) << 16
    return unsafe bytes + Self.start(identity)
  }

  /// The bytes from the second on of a datagram too short for a head (see `DatagramContent`).
  @inline(__always)
  package func smallBody(size: Int, tag: UInt8) -> UnsafePointer<UInt8> {
    unsafe bytes + Self.start(UInt64(size) << 8 | UInt64(tag))
  }

  // Fibonacci hashing: the product's top bits depend on all bits of the identity.
  @inline(__always)
  private static func start(_ identity: UInt64) -> Int { Int((identity &* 0x9e37_79b9_7f4a_7c15) >> 52) }
}
