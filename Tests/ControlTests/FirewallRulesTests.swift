import DataPlane
import Testing

@testable import Control

@Suite struct FirewallRulesTests {
  private let peers = [Address("192.168.201.2")!, Address("fcc9::2")!]

  @Test func aClientMasqueradesItsPeerAndDropsWhatWasNotTranslated() {
    let rules = FirewallRules(
      device: "guise0", peers: [Address("192.168.200.2")!],
      end: .client(remote: Endpoint(Address("203.0.113.9")!, port: 4567)))
    #expect(
      rules.text == """
        add table inet guise_guise0
        delete table inet guise_guise0
        table inet guise_guise0 {
          counter invalid {
          }

          chain postrouting {
            type nat hook postrouting priority srcnat; policy accept;
            oifname != "guise0" ip saddr 192.168.200.2 masquerade
          }

          chain untranslated {
            type filter hook postrouting priority srcnat + 10; policy accept;
            oifname != "guise0" ip saddr 192.168.200.2 counter name "invalid" drop
          }

          chain input {
            type filter hook input priority filter; policy accept;
            iifname != "guise0" ip saddr 203.0.113.9 tcp sport 4567 ct state invalid counter name "invalid" drop
          }
        }

        """)
  }

  @Test func aServerTakesItsPortOnAllAddressesOfBothFamilies() {
    let rules = FirewallRules(device: "guise1", peers: peers, end: .server(port: 4567))
    #expect(
      rules.text == """
        add table inet guise_guise1
        delete table inet guise_guise1
        table inet guise_guise1 {
          counter invalid {
          }

          chain prerouting {
            type nat hook prerouting priority dstnat; policy accept;
            iifname != "guise1" meta nfproto ipv4 fib daddr type local tcp dport 4567 dnat ip to 192.168.201.2
            iifname != "guise1" meta nfproto ipv6 fib daddr type local tcp dport 4567 dnat ip6 to fcc9::2
          }

          chain output {
            type nat hook output priority -100; policy accept;
            ip daddr != 127.0.0.0/8 fib daddr type local tcp dport 4567 dnat ip to 192.168.201.2
            ip6 daddr != ::1 fib daddr type local tcp dport 4567 dnat ip6 to fcc9::2
          }

          chain untranslated {
            type filter hook postrouting priority srcnat + 10; policy accept;
            oifname != "guise1" ip saddr 192.168.201.2 counter name "invalid" drop
            oifname != "guise1" ip6 saddr fcc9::2 counter name "invalid" drop
          }

          chain input {
            type filter hook input priority filter; policy accept;
            iifname != "guise1" tcp dport 4567 ct state invalid counter name "invalid" drop
          }
        }

        """)
  }

  @Test func aForwardChainThatDropsByPolicyIsFound() throws {
    let listing = """
      {"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter",
                   "hook": "forward", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 2, "type": "filter",
                   "hook": "input", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "x", "name": "forward", "handle": 1, "type": "filter",
                   "hook": "forward", "prio": 0, "policy": "accept"}},
        {"chain": {"family": "inet", "table": "x", "name": "regular", "handle": 2}}]}
      """
    #expect(try Firewall.droppingForwardChains(listing: listing) == ["ip filter FORWARD"])
  }
}
