import Testing

@testable import DataPlane

@Suite struct HandshakeCookieTests {
  private let cookie = HandshakeCookie(key: (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210))
  private static let epoch: UInt64 = 1 << 36

  private static let keys: [FlowKey] = [
    FlowKey(
      remote: Address("198.51.100.2")!, local: Address("192.0.2.1")!, remotePort: 40_000, localPort: 4_567),
    FlowKey(
      remote: Address("2001:db8::2")!, local: Address("fd00::1")!, remotePort: 40_000, localPort: 4_567),
  ]

  @Test(arguments: keys)
  func `the acknowledgement of a cookie is accepted, its neighbours are not`(key: FlowKey) {
    let now = 100 * Self.epoch
    let isn = cookie.sequence(for: key, now: now)
    #expect(cookie.accepts(isn + 1, for: key, now: now))
    for other in [-1, 0, 2, 1 << 16, 1 << 31] { #expect(!cookie.accepts(isn + other, for: key, now: now)) }
  }

  @Test(arguments: keys)
  func `a cookie is good for this epoch and the next`(key: FlowKey) {
    let first = 100 * Self.epoch
    let last = 101 * Self.epoch - 1
    for made in [first, first + Self.epoch / 2, last] {
      let acknowledgement = cookie.sequence(for: key, now: made) + 1
      for good in [first, last, last + 1, 102 * Self.epoch - 1] {
        #expect(cookie.accepts(acknowledgement, for: key, now: good))
      }
      for bad in [first - 1, 102 * Self.epoch, 103 * Self.epoch, 1_000 * Self.epoch] {
        #expect(!cookie.accepts(acknowledgement, for: key, now: bad))
      }
    }
  }

  @Test func `a client has more than a minute for its answer`() {
    let key = Self.keys[0]
    for made in stride(from: 100 * Self.epoch, to: 102 * Self.epoch, by: 1 << 32) {
      let acknowledgement = cookie.sequence(for: key, now: made) + 1
      #expect(cookie.accepts(acknowledgement, for: key, now: made + 60_000_000_000))
    }
  }

  @Test func `a retransmitted SYN gets the same cookie within an epoch and another after it`() {
    let key = Self.keys[0]
    let now = 100 * Self.epoch
    #expect(cookie.sequence(for: key, now: now) == cookie.sequence(for: key, now: now + Self.epoch - 1))
    #expect(cookie.sequence(for: key, now: now) != cookie.sequence(for: key, now: now + Self.epoch))
  }

  @Test(arguments: keys)
  func `a cookie belongs to its four-tuple`(key: FlowKey) {
    let now = 100 * Self.epoch
    let acknowledgement = cookie.sequence(for: key, now: now) + 1
    var others = [FlowKey](repeating: key, count: 6)
    others[0].remotePort ^= 1
    others[1].localPort ^= 1
    others[2].remote.low ^= 1 << 63
    others[3].local.low ^= 1 << 63
    others[4].remote.high ^= 1
    others[5].local.high ^= 1
    for other in others { #expect(!cookie.accepts(acknowledgement, for: other, now: now)) }
  }

  @Test func `a cookie of another key is not accepted`() {
    let key = Self.keys[0]
    let now = 100 * Self.epoch
    let other = HandshakeCookie(key: (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211))
    #expect(!cookie.accepts(other.sequence(for: key, now: now) + 1, for: key, now: now))
  }

  @Test func `right after boot there is no previous epoch, and nothing traps`() {
    let key = Self.keys[0]
    for now in [0, 1, Self.epoch - 1] {
      #expect(cookie.accepts(cookie.sequence(for: key, now: now) + 1, for: key, now: now))
    }
  }

  @Test func `neighbouring ports get cookies that have nothing in common`() {
    var key = Self.keys[0]
    var seen = Set<UInt32>()
    var ones = 0
    var previous: UInt32?
    for port in 0..<20_000 as Range<UInt16> {
      key.remotePort = port
      let value = cookie.sequence(for: key, now: 100 * Self.epoch).value
      seen.insert(value)
      if let previous { ones += (value ^ previous).nonzeroBitCount }
      previous = value
    }
    #expect(seen.count > 20_000 - 8)
    // Half the bits change from one to the next.
    #expect((15.9...16.1).contains(Double(ones) / 19_999))
  }

  @Test(arguments: Seeds.all)
  func `a guess is not accepted`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<20_000 {
      let guess = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
      #expect(!cookie.accepts(guess, for: Self.keys[0], now: 100 * Self.epoch))
    }
  }
}
