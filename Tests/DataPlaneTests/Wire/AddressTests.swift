import Testing

@testable import DataPlane

@Suite struct AddressTests {
  @Test(arguments: [
    "0.0.0.0", "192.0.2.1", "255.255.255.255", "127.0.0.1", "::", "::1", "2001:db8::1", "fe80::dead:beef",
    "2001:db8:1:2:3:4:5:6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::c000:221",
  ])
  func `parsing then printing gives the same text`(text: String) throws {
    #expect(try #require(Address(text)).description == text)
  }

  @Test(arguments: [
    "", " ", "192.0.2", "192.0.2.256", "192.0.2.1 ", "192.0.2.1.5", "1.2.3.4:80", "2001:db8::1::2", ":::",
    "g::1",
    "12345::", "localhost", "fe80::1%eth0", "[::1]", "192.0.2.01x",
  ])
  func `anything else is refused`(text: String) { #expect(Address(text) == nil) }

  @Test func `a mapped address is the IPv4 one`() throws {
    let mapped = try #require(Address("::ffff:192.0.2.1"))
    #expect(mapped == Address("192.0.2.1"))
    #expect(mapped.isIPv4)
    #expect(mapped.description == "192.0.2.1")
  }

  @Test(arguments: [
    ("192.0.2.1", true), ("0.0.0.0", true), ("::1", false), ("::", false), ("::192.0.2.1", false),
    ("::fffe:192.0.2.1", false), ("0:0:0:1::ffff:192.0.2.1", false), ("2001:db8::ffff:c000:201", false),
  ])
  func `only a mapped prefix makes an address IPv4`(text: String, isIPv4: Bool) throws {
    #expect(try #require(Address(text)).isIPv4 == isIPv4)
  }

  @Test(arguments: [("0.0.0.0", true), ("::", true), ("0.0.0.1", false), ("::1", false), ("1::", false)])
  func `both families have an unspecified address`(text: String, isUnspecified: Bool) throws {
    #expect(try #require(Address(text)).isUnspecified == isUnspecified)
  }

  @Test func `bytes lie in network order`() throws {
    #expect(try #require(Address("1.2.3.4")).bytes == [1, 2, 3, 4])
    #expect(
      try #require(Address("102:304:506:708:90a:b0c:d0e:f10")).bytes == Array(1...16).map(UInt8.init))
    #expect(Address(ipv4: UInt32(bigEndian: 0x0102_0304)) == Address("1.2.3.4"))
    #expect(try #require(Address("1.2.3.4")).ipv4 == UInt32(bigEndian: 0x0102_0304))
  }

  @Test(arguments: Seeds.all)
  func `any address survives its text`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<500 {
      let six = Address(high: random.next(), low: random.next())
      #expect(Address(six.description) == six)
      let four = Address(ipv4: UInt32(truncatingIfNeeded: random.next()))
      #expect(Address(four.description) == four)
    }
  }

  @Test func `an endpoint prints as it is written in URLs`() throws {
    #expect(Endpoint(try #require(Address("192.0.2.1")), port: 80).description == "192.0.2.1:80")
    #expect(Endpoint(try #require(Address("2001:db8::1")), port: 443).description == "[2001:db8::1]:443")
  }
}
