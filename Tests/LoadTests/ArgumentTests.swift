import LoadModel
import Testing

@Suite("Arguments")
struct ArgumentTests {
  @Test(
    "Rates that are understood",
    arguments: [
      ("max", TrafficRate.unlimited), ("400M", .bitsPerSecond(400e6)), ("1.2G", .bitsPerSecond(1.2e9)),
      ("64k", .bitsPerSecond(64_000)), ("64K", .bitsPerSecond(64_000)), ("900", .bitsPerSecond(900)),
      ("20000p", .datagramsPerSecond(20_000)), ("20kp", .datagramsPerSecond(20_000)),
      ("0.5p", .datagramsPerSecond(0.5)),
    ])
  func rates(text: String, rate: TrafficRate) {
    #expect(TrafficRate(text) == rate)
  }

  @Test(
    "Rates that are refused",
    arguments: [
      "", "0", "p", "M", "-1", "1T", "1 M", "nan", "inf", "1e3", "0x10", "1.2.3", "Mp", "MAX", "kM", "٣M",
    ])
  func badRates(text: String) {
    #expect(TrafficRate(text) == nil)
  }

  @Test(
    "Sizes that are understood",
    arguments: [("1400", 1400, 1400), ("64-1400", 64, 1400), ("0-65507", 0, 65_507)])
  func sizes(text: String, lower: Int, upper: Int) throws {
    let range = try #require(SizeRange(text))
    #expect(range == SizeRange(lower, upper))
    #expect(range.description == text)
  }

  @Test(
    "Sizes that are refused", arguments: ["", "-", "1-", "-5", "9-8", "65508", "1-2-3", "a", "+1", "1 - 2"])
  func badSizes(text: String) {
    #expect(SizeRange(text) == nil)
  }

  @Test("Drawn sizes fill the range and stay in it")
  func draw() throws {
    let range = try #require(SizeRange("10-13"))
    var random = RandomSource(seed: 1)
    var counts: [Int: Int] = [:]
    for _ in 0..<4_000 { counts[range.draw(&random), default: 0] += 1 }
    #expect(counts.keys.sorted() == [10, 11, 12, 13])
    #expect(counts.values.allSatisfy { (900...1_100).contains($0) })
  }

  @Test(
    "Addresses read back as they were written",
    arguments: ["127.0.0.1:5000", "[::1]:5000", "0.0.0.0:0", "[2001:db8::7]:65535", "[::ffff:192.0.2.1]:9"])
  func addresses(text: String) throws {
    let address = try #require(SocketAddress(text))
    #expect(address.description == text)
  }

  @Test(
    "Addresses that are refused",
    arguments: [
      "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "::1:5000",
      "[::1]",
      "[::1]5000", "[127.0.0.1]:5", "localhost:5000", "256.0.0.1:5", "[::1:5", "127.0.0.1:5x",
    ])
  func badAddresses(text: String) {
    #expect(SocketAddress(text) == nil)
  }

  @Test("An address has the family and port that were written")
  func parts() throws {
    let four = try #require(SocketAddress("192.0.2.1:5001"))
    let six = try #require(SocketAddress("[::1]:5002"))
    #expect(four.port == 5001)
    #expect(six.port == 5002)
    #expect(four.family != six.family)
  }
}
