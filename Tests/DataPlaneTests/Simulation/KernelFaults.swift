import Glibc

@testable import DataPlane

/// What a simulated kernel refuses, cuts short and keeps back, each by chance and all by one seed.
struct KernelFaults {
  /// Chances, each from 0 to 1: of a packet's write, a train's send, a socket's opening.
  var refusedWrites = 0.0
  var refusedSends = 0.0
  var refusedSockets = 0.0
  /// That a packet or a datagram comes with its end missing.
  var shortReads = 0.0
  /// That a turn finds no buffers lent, and so brings nothing.
  var dryTurns = 0.0
  /// That refusals stay in the overflow of the completion queue while their trains are finished.
  var overflows = 0.0
  /// Whether the TUN device is down.
  var isDown = false

  private var random: SeededRandom

  private static let writeErrors = [EAGAIN, ENOBUFS, ENOMEM, EINVAL, EINTR]
  private static let sendErrors = [
    EAGAIN, ENOBUFS, ENOMEM, EINVAL, EIO, EMSGSIZE, EPERM, ENETUNREACH, ECONNREFUSED,
  ]
  private static let socketErrors = [EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN, EADDRNOTAVAIL]

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func drawWriteError() -> Int32? {
    // As `tun_get_user` has it.
    if isDown { return EIO }
    return random.chance(refusedWrites) ? Self.writeErrors.randomElement(using: &random) : nil
  }

  mutating func drawSendError() -> Int32? {
    random.chance(refusedSends) ? Self.sendErrors.randomElement(using: &random) : nil
  }

  mutating func drawSocketError() -> Int32? {
    random.chance(refusedSockets) ? Self.socketErrors.randomElement(using: &random) : nil
  }

  /// How many of so many bytes are there.
  mutating func drawLength(of count: Int) -> Int {
    random.chance(shortReads) ? Int.random(in: 0..<max(1, count), using: &random) : count
  }

  mutating func drawDryTurn() -> Bool { random.chance(dryTurns) }
  mutating func drawOverflow() -> Bool { random.chance(overflows) }
}
