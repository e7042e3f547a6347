import DataPlane
import Testing

@testable import Control

@Suite struct EndpointPatternTests {
  @Test(
    arguments: [
      ("192.0.2.1", "192.0.2.1", nil), ("192.0.2.1:4567", "192.0.2.1", 4_567), (":53", nil, 53),
      ("2001:db8::1", "2001:db8::1", nil), ("[2001:db8::1]:4567", "2001:db8::1", 4_567),
    ] as [(String, String?, UInt16?)])
  func `an address, a port, or both`(_ text: String, _ address: String?, _ port: UInt16?) throws {
    let pattern = try EndpointPattern(text)
    #expect(pattern.address == address.flatMap { Address($0) } && pattern.port == port)
  }

  @Test(arguments: [
    "", ":", ":0", ":65536", "4567", "example.org", "example.org:1", "192.0.2.1:", "[::1]", "::1]:4",
  ])
  func `what is neither is refused`(_ text: String) {
    #expect(throws: HostPort.Malformed.self) { try EndpointPattern(text) }
  }
}
