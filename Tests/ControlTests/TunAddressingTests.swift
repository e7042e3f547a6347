import DataPlane
import Testing

@testable import Control

@Suite struct TunAddressingTests {
  private func taken(_ texts: String...) -> [TakenPrefix] {
    texts.map { TakenPrefix(prefix: AddressPrefix($0)!, reason: "eth0 has \($0)") }
  }

  private func pair(_ local: String, _ peer: String) -> TunAddressPair {
    TunAddressPair(local: Address(local)!, peer: Address(peer)!)
  }

  @Test func withoutConflictsTheAddressesAreStockPhantuns() throws {
    let none = TunAddressRequest()
    #expect(
      try TunAddressing.choose(.client, .ipv4, request: none, taken: [])
        == pair("192.168.200.1", "192.168.200.2"))
    #expect(
      try TunAddressing.choose(.server, .ipv4, request: none, taken: [])
        == pair("192.168.201.1", "192.168.201.2"))
    #expect(
      try TunAddressing.choose(.client, .ipv6, request: none, taken: []) == pair("fcc8::1", "fcc8::2"))
    #expect(
      try TunAddressing.choose(.server, .ipv6, request: none, taken: []) == pair("fcc9::1", "fcc9::2"))
  }

  @Test func takenDefaultsGiveWayToTheFirstFreePair() throws {
    let none = TunAddressRequest()
    #expect(
      try TunAddressing.choose(
        .client, .ipv4, request: none, taken: taken("192.168.200.0/24", "192.168.202.2"))
        == pair("192.168.203.1", "192.168.203.2"))
    #expect(
      try TunAddressing.choose(.server, .ipv4, request: none, taken: taken("192.168.0.0/16"))
        == pair("198.18.200.1", "198.18.200.2"))
    #expect(
      try TunAddressing.choose(.client, .ipv6, request: none, taken: taken("fcc8::/16", "fcca::1"))
        == pair("fccb::1", "fccb::2"))
  }

  @Test func whenNothingIsFreeTheOperatorMustChoose() {
    #expect(throws: SetupError.noFreeTunAddress(.ipv4)) {
      try TunAddressing.choose(
        .client, .ipv4, request: .init(), taken: taken("192.168.0.0/16", "198.18.0.0/15"))
    }
  }

  @Test func anAddressAskedForIsTakenAsItIsAndTheOtherEndGetsItsDefault() throws {
    #expect(
      try TunAddressing.choose(
        .client, .ipv4, request: .init(peer: Address("10.9.9.9")), taken: taken("192.168.201.0/24"))
        == pair("192.168.200.1", "10.9.9.9"))
  }

  @Test func anAddressAskedForThatIsTakenIsAnError() {
    #expect(
      throws: SetupError.tunAddressTaken(Address("10.1.2.3")!, reason: "eth0 has 10.0.0.0/8")
    ) {
      try TunAddressing.choose(
        .server, .ipv4, request: .init(local: Address("10.1.2.3")), taken: taken("10.0.0.0/8"))
    }
  }

  @Test func theDefaultOfTheOtherEndMustDifferFromTheOneAskedFor() {
    #expect(throws: SetupError.tunAddressesEqual(Address("192.168.200.1")!)) {
      try TunAddressing.choose(
        .client, .ipv4, request: .init(peer: Address("192.168.200.1")), taken: [])
    }
  }

  @Test(arguments: [
    ("192.168.200.0/24", "192.168.200.255", true), ("192.168.200.0/24", "192.168.201.0", false),
    ("10.128.0.0/9", "10.127.255.255", false), ("10.128.0.0/9", "10.255.0.1", true),
    ("0.0.0.0/0", "1.2.3.4", true), ("0.0.0.0/0", "2001:db8::1", false),
    ("fcc8::/15", "fcc9::1", true), ("fcc8::1", "fcc8::1", true), ("fcc8::1", "fcc8::2", false),
  ])
  func aPrefixContainsWhatSharesItsBits(prefix: String, address: String, expected: Bool) {
    #expect(AddressPrefix(prefix)!.contains(Address(address)!) == expected)
  }

  @Test(arguments: ["default", "10.0.0.0/33", "10.0.0.0/", "fcc8::/129", "", "10.0.0/8"])
  func whatIsNoPrefixIsNil(text: String) { #expect(AddressPrefix(text) == nil) }
}

@Suite struct HostNetworkTests {
  @Test func routesAreTakenButDefaultAndUnreachableOnesAreNot() throws {
    let routes = """
      [{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[]},
       {"dst":"0.0.0.0/1","dev":"tun9","flags":[]},
       {"dst":"10.0.0.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"10.0.0.5","flags":[]},
       {"type":"unreachable","dst":"192.168.0.0/16","flags":[]},
       {"type":"local","dst":"10.0.0.5","dev":"eth0","table":"local","flags":[]}]
      """
    let taken = try HostNetwork.takenPrefixes(routes: routes)
    #expect(taken.map(\.prefix.description) == ["10.0.0.0/24", "10.0.0.5/32"])
    #expect(taken[0].reason == "10.0.0.0/24 is routed to eth0")
  }

  @Test func addressesOfInterfacesThatAreDownCountToo() throws {
    let addresses = """
      [{},{"ifname":"eth1","flags":["BROADCAST"],"mtu":1500,"addr_info":
        [{"family":"inet","local":"192.168.200.9","prefixlen":24,"scope":"global"}]}]
      """
    let taken = try HostNetwork.takenPrefixes(addresses: addresses)
    #expect(
      taken == [
        TakenPrefix(prefix: AddressPrefix("192.168.200.9/24")!, reason: "eth1 has 192.168.200.9/24")
      ])
  }

  @Test func outputThatIsNotJSONIsReportedWithItsCommand() {
    #expect(throws: SetupError.toolOutputUnreadable(command: "ip -j route")) {
      try HostNetwork.takenPrefixes(routes: "1: lo: <LOOPBACK>", command: ["-j", "route"])
    }
    #expect(try! HostNetwork.takenPrefixes(routes: "\n").isEmpty)
  }
}
