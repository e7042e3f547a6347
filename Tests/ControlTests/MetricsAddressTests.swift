import DataPlane
import Testing

@testable import Control

@Suite struct MetricsAddressTests {
  @Test(arguments: [
    ("9740", "127.0.0.1:9740"), ("192.0.2.1:9740", "192.0.2.1:9740"), ("0.0.0.0:9740", "0.0.0.0:9740"),
    ("[::]:9740", "[::]:9740"), ("[2001:db8::1]:1", "[2001:db8::1]:1"),
  ])
  func aPortAloneIsThatOfTheLoopbackAddressAndAllAddressesAreAsked(text: String, endpoint: String) throws {
    #expect("\(try MetricsAddress(text))" == endpoint)
  }

  @Test(arguments: ["x", "127.0.0.1:0", "example.org:1", "::1:5", ""])
  func malformedTextsAreRefused(text: String) {
    #expect(throws: HostPort.Malformed.self) { try MetricsAddress(text) }
  }

  @Test(arguments: [
    ("9740", "127.0.0.1:9740", true), ("9740", "0.0.0.0:9740", true), ("[::]:9740", "192.0.2.1:9740", true),
    ("9740", "9741", false), ("192.0.2.1:9740", "9740", false),
  ])
  func addressesOverlapWhereOneOfThemAloneCanBeHad(a: String, b: String, overlap: Bool) throws {
    #expect(try MetricsAddress(a).overlaps(MetricsAddress(b)) == overlap)
    #expect(try MetricsAddress(b).overlaps(MetricsAddress(a)) == overlap)
  }
}
