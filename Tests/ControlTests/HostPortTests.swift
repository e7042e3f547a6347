import DataPlane
import Testing

@testable import Control

@Suite struct HostPortTests {
  @Test(arguments: [
    ("192.0.2.1:4567", "192.0.2.1:4567"), ("[2001:db8::1]:4567", "[2001:db8::1]:4567"),
    ("example.org:1", "example.org:1"), ("localhost:65535", "localhost:65535"), ("[::]:53", "[::]:53"),
    ("a-b.c_d:9", "a-b.c_d:9"),
  ])
  func wellFormedTextsReadBackAsWritten(text: String, expected: String) throws {
    #expect(try HostPort(text).description == expected)
  }

  @Test func addressesAndNamesAreToldApart() throws {
    #expect(try HostPort("192.0.2.1:1").host == .address(Address("192.0.2.1")!))
    #expect(try HostPort("[::1]:1").host == .address(Address("::1")!))
    #expect(try HostPort("example.org:1").host == .name("example.org"))
  }

  @Test(arguments: [
    ("1234", "there is no port: write HOST:PORT, as in 192.0.2.1:4567"),
    ("host:", "'' is not a port: use a number from 1 to 65535"),
    ("host:0", "'0' is not a port: use a number from 1 to 65535"),
    ("host:65536", "'65536' is not a port: use a number from 1 to 65535"),
    ("host:+5", "'+5' is not a port: use a number from 1 to 65535"),
    ("2001:db8::1:4567", "an IPv6 address needs brackets: write [2001:db8::1]:4567"),
    ("[192.0.2.1]:5", "'192.0.2.1' between the brackets is not an IPv6 address"),
    ("300.1.2.3:5", "'300.1.2.3' is neither an address nor a host name"),
    (":5", "'' is neither an address nor a host name"),
    ("a b:5", "'a b' is neither an address nor a host name"),
  ])
  func malformedTextsSayWhatIsWrong(text: String, complaint: String) {
    #expect(throws: HostPort.Malformed(description: complaint)) { try HostPort(text) }
  }

  @Test(arguments: ["guise0", "guise%d", "eth0.5", "a-b_c", "x"])
  func deviceNamesThatTheKernelAndNftTake(name: String) {
    #expect(GatewayConfiguration.isDeviceName(name))
  }

  @Test(arguments: [
    "", ".", "..", "all", "default", "%d", "a%d%d", "a b", "a/b", "a\"b", "sixteen-letters.", "gü",
  ])
  func deviceNamesThatOneOfThemRefuses(name: String) {
    #expect(!GatewayConfiguration.isDeviceName(name))
  }
}

@Suite struct DeviceChoiceTests {
  @Test(
    arguments: [
      (nil, "guise3", true), ("vpn", "vpn", true), ("vpn", "vpn0", false), ("vpn%d", "vpn0", true),
      ("vpn%d", "vpn12", true), ("vpn%d", "vpn", false), ("vpn%d", "vpnx", false), ("vpn%d", "guise0", false),
    ] as [(String?, String, Bool)])
  func aDeviceThatIsThereMayBeTheOneThatIsAskedFor(asked: String?, name: String, may: Bool) throws {
    var configuration = GatewayConfiguration(
      listen: .tcp(nil, port: 4_567), remote: try HostPort("127.0.0.1:5000"))
    configuration.device = asked
    #expect(configuration.mayHave(device: name) == may)
  }
}

@Suite struct HostResolutionTests {
  /// A resolver's mistake: clients would send to themselves.
  @Test(arguments: [
    ("127.0.0.1:1", "127.0.0.1:1", true), ("127.0.0.1:1", "0.0.0.0:1", true), ("127.0.0.1:1", "[::]:1", true),
    ("[::1]:1", "[::]:1", true), ("[::1]:1", "0.0.0.0:1", false), ("0.0.0.0:1", "[::]:1", true),
    ("127.0.0.1:1", "127.0.0.2:1", false), ("127.0.0.1:1", "0.0.0.0:2", false), ("a:1", "a:1", true),
    ("a:1", "b:1", false), ("a:1", "127.0.0.1:1", false),
  ])
  func whatCanBeHadOnceOverlaps(a: String, b: String, overlap: Bool) throws {
    #expect(try HostPort(a).overlaps(HostPort(b)) == overlap)
    #expect(try HostPort(b).overlaps(HostPort(a)) == overlap)
  }

  @Test(arguments: [
    ("nobody:nogroup", 65_534, 65_534), ("nobody:0", 65_534, 0), ("7:nogroup", 7, 65_534), ("7", 7, 7),
    ("7:8", 7, 8), ("root:8", 0, 8),
  ])
  func anAccountIsAUserAndAGroup(text: String, user: UInt32, group: UInt32) throws {
    let account = try #require(Account(text))
    #expect(account.user == user && account.group == group)
  }

  @Test(arguments: [
    "", ":", "7:", ":7", "no-such-user", "nobody:no-such-group", "4294967295", "7:4294967295", "1:2:3",
  ])
  func whoIsNobodyIsRefused(text: String) { #expect(Account(text) == nil) }

  @Test func aNameThatIsLookedUpAgainHasNoLoopbackAddresses() throws {
    #expect(HostResolution.addresses(of: try HostPort("localhost:4567"), families: [.ipv4, .ipv6]).isEmpty)
  }

  private let both: Set<AddressFamily> = [.ipv4, .ipv6]

  @Test func anAddressNeedsNoLookUp() throws {
    let endpoint = try HostResolution.endpoint(
      of: HostPort("[2001:db8::1]:5"), families: both, purpose: "--remote")
    #expect(endpoint == Endpoint(Address("2001:db8::1")!, port: 5))
  }

  @Test func localhostIsALoopbackAddressOfTheFamilyAskedFor() throws {
    let endpoint = try HostResolution.endpoint(
      of: HostPort("localhost:5"), families: [.ipv4], purpose: "--remote")
    #expect(endpoint == Endpoint(Address("127.0.0.1")!, port: 5))
  }

  @Test func anAddressOfAFamilyOutOfUseIsRefused() throws {
    let target = try HostPort("[2001:db8::1]:5")
    #expect(
      throws: SetupError.familyUnavailable(option: "--remote", target: "\(target)", family: .ipv6)
    ) {
      try HostResolution.endpoint(of: target, families: [.ipv4], purpose: "--remote")
    }
  }

  @Test func aNameThatNobodyHasIsRefusedWithTheReason() throws {
    let error = #expect(throws: SetupError.self) {
      try HostResolution.endpoint(
        of: HostPort("no-such-host.invalid:5"), families: both, purpose: "--remote")
    }
    #expect(
      "\(try #require(error))".hasPrefix("cannot find the address of 'no-such-host.invalid' (--remote): "))
  }
}
