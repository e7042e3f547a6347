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

  @Test("After a pause a few milliseconds of traffic follow at once, and the rest at twice the rate")
  func catchUp() {
    var pacer = Pacer(.datagramsPerSecond(100_000), origin: origin)
    let pause: UInt64 = 20_000_000
    #expect((400...401).contains(departures(&pacer, at: origin + pause)))
    // 16 ms behind: as long again at twice the rate makes up for it.
    var caughtUp = 0
    for step in 1...160 { caughtUp += departures(&pacer, at: origin + pause + UInt64(step) * 100_000) }
    #expect((3_190...3_201).contains(caughtUp))
    var later = 0
    for step in 161...260 { later += departures(&pacer, at: origin + pause + UInt64(step) * 100_000) }
    #expect((990...1_010).contains(later))
  }

  @Test("What is very old is given up")
  func backlog() {
    var pacer = Pacer(.datagramsPerSecond(1_000), origin: origin)
    let begin = origin + 5_000_000_000
    var total = 0
    for step in 0..<10_000 { total += departures(&pacer, at: begin + UInt64(step) * 100_000) }
    #expect((1_195...1_205).contains(total))
  }

  /// Sends whatever is due; returns how many datagrams that were.
  private func departures(_ pacer: inout Pacer, at now: UInt64) -> Int {
    var count = 0
    pacer.limitBacklog(at: now)
    while pacer.delay(at: now) == 0 {
      pacer.depart(datagrams: 1, bytes: 1)
      count += 1
    }
    return count
  }

  @Test func aRateOfNextToNothingIsWaitedFor() {
    var pacer = Pacer(.datagramsPerSecond(1e-12), origin: 0)
    pacer.depart(datagrams: 1, bytes: 100)
    #expect(pacer.delay(at: 0) == 1_000_000_000_000_000_000)
  }
}
