import DataPlane
import Testing

@testable import Control

@Suite struct ListenPortTests {
  @Test(arguments: [
    ("4567", nil, 4567), ("192.0.2.1:4567", "192.0.2.1", 4567), ("[2001:db8::1]:1", "2001:db8::1", 1),
    ("0.0.0.0:80", nil, 80), ("[::]:80", nil, 80),
  ])
  func aPortMayHaveAnAddressInFront(text: String, address: String?, port: UInt16) throws {
    let listen = try ListenPort(text)
    #expect(listen.address == address.map { Address($0)! })
    #expect(listen.port == port)
  }

  @Test(arguments: [
    ("x", "'x' is not a port: use a number from 1 to 65535"),
    ("192.0.2.1:0", "'0' is not a port: use a number from 1 to 65535"),
    ("example.org:1", "'example.org:1' has no address in front of the port: write 192.0.2.1:1"),
    ("::1:5", "an IPv6 address needs brackets: write [2001:db8::1]:4567"),
  ])
  func malformedTextsSayWhatIsWrong(text: String, complaint: String) {
    #expect(throws: HostPort.Malformed(description: complaint)) { try ListenPort(text) }
  }
}
