import LoadModel
import Testing

@Suite("Pacing")
struct PacerTests {
  private let origin: UInt64 = 1_000_000_000_000

  @Test("Without a limit everything is due at once")
  func unlimited() {
    var pacer = Pacer(.unlimited, origin: origin)
    for _ in 0..<1_000 { pacer.depart(datagrams: 1_000, bytes: 1_400_000) }
    #expect(pacer.delay(at: origin) == 0)
  }

  @Test("A datagram rate spaces departures evenly")
  func datagrams() {
    var pacer = Pacer(.datagramsPerSecond(1_000), origin: origin)
    #expect(pacer.delay(at: origin) == 0)
    pacer.depart(datagrams: 1, bytes: 9)
    #expect(pacer.delay(at: origin) == 1_000_000)
    #expect(pacer.delay(at: origin + 400_000) == 600_000)
    #expect(pacer.delay(at: origin + 1_000_000) == 0)
  }

  @Test("A bit rate counts payload")
  func bits() {
    var pacer = Pacer(.bitsPerSecond(1e9), origin: origin)
    pacer.depart(datagrams: 2, bytes: 2_500)
    #expect(pacer.delay(at: origin) == 20_000)
  }

  @Test(
    "The rate is held over time, whatever the rhythm of the wake-ups",
    arguments: [TrafficRate.bitsPerSecond(400e6), .datagramsPerSecond(123_456)])
  func held(rate: TrafficRate) {
    var pacer = Pacer(rate, origin: origin)
    var random = RandomSource(seed: 4)
    var now = origin
    var datagrams = 0
    while now < origin + 2_000_000_000 {
      pacer.limitBacklog(at: now)
      while pacer.delay(at: now) == 0 {
        pacer.depart(datagrams: 1, bytes: 1_000)
        datagrams += 1
      }
      now += 50_000 + UInt64(random.next(below: 900_000))
    }
    let expected: Double =
      switch rate {
      case .bitsPerSecond(let bits): bits / 8_000 * 2
      case .datagramsPerSecond(let count): count * 2
      case .unlimited: 0
      }
    #expect(abs(Double(datagrams) - expected) < expected / 1_000)
  }

  @Test("After a long pause only a few milliseconds of traffic follow at once")
  func backlog() {
    var pacer = Pacer(.datagramsPerSecond(100_000), origin: origin)
    let now = origin + 5_000_000_000
    pacer.limitBacklog(at: now)
    var datagrams = 0
    while pacer.delay(at: now) == 0 {
      pacer.depart(datagrams: 1, bytes: 1)
      datagrams += 1
    }
    #expect((300...301).contains(datagrams))
  }
}
