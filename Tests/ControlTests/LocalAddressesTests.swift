import Testing

@testable import Control

@Suite struct LocalAddressesTests {
  @Test func loopbackIsUpAndHasNothingForOthers() {
    #expect(LocalAddresses.isUp("lo") && !LocalAddresses.isUp("no-such-device"))
    #expect(
      !LocalAddresses.all(.ipv4, except: []).contains {
        $0.outlet.device == "lo" && $0.outlet.address.isLoopback
      })
  }
}
