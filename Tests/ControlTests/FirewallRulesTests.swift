import DataPlane
import Testing

@testable import Control

@Suite struct FirewallRulesTests {
  private static let remote = Endpoint(Address("203.0.113.9")!, port: 4567)

  private func path(_ local: String, _ peer: String, _ translation: Translation) -> FirewallRules.Path {
    FirewallRules.Path(
      pair: TunAddressPair(local: Address(local)!, peer: Address(peer)!), translation: translation)
  }

  @Test func aTrackedClientMasqueradesWhatLeavesTheHost() {
    let rules = FirewallRules(
      device: "guise0", paths: [path("192.168.200.1", "192.168.200.2", .tracked(ports: nil))],
      end: .client(remotes: [Self.remote]))
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
            iifname != "guise0" ip saddr 203.0.113.9 tcp sport 4567 ct state new tcp flags & ack == ack \
        counter name "invalid" drop
          }
        }

        """)
  }

  @Test func aFurtherClientOfTheSameServerIsMappedToPortsThatNobodyTakesUntracked() {
    let rules = FirewallRules(
      device: "guise1", paths: [path("192.168.200.1", "192.168.200.2", .tracked(ports: 57_344...65_535))],
      end: .client(remotes: [Self.remote]))
    #expect(rules.text.contains("saddr 192.168.200.2 meta l4proto tcp masquerade to :57344-65535\n"))
  }

  @Test func aStatelessClientHasNoUseForConntrack() {
    let outlet = Outlet(device: nil, address: Address("203.0.113.1")!)
    let rules = FirewallRules(
      device: "guise0", paths: [path("192.168.200.1", "192.168.200.2", .stateless(outlet))],
      end: .client(remotes: [Self.remote]))
    #expect(
      rules.text == """
        add table inet guise_guise0
        delete table inet guise_guise0
        table inet guise_guise0 {
          counter invalid {
          }

          chain arrivals {
            type filter hook prerouting priority raw; policy accept;
            iifname "guise0" ip saddr 192.168.200.2 notrack accept
            iifname != "guise0" ip saddr 203.0.113.9 ip daddr 203.0.113.1 tcp sport 4567 tcp dport 1024-57343 \
        notrack ip daddr set 192.168.200.2 accept
            iifname != "guise0" ip daddr 203.0.113.1 icmp type destination-unreachable icmp code frag-needed \
        @th,136,8 6 @th,192,32 0xcb007109 @th,240,16 4567 notrack ip daddr set 192.168.200.2 accept
          }

          chain departures {
            type filter hook postrouting priority srcnat; policy accept;
            oifname != "guise0" ip saddr 192.168.200.2 ip saddr set 203.0.113.1 accept
          }
        }

        """)
  }

  @Test func aClientOfSeveralServersNamesEachInItsFamily() {
    let outlet = Outlet(device: nil, address: Address("203.0.113.1")!)
    let rules = FirewallRules(
      device: "guise0",
      paths: [
        path("192.168.200.1", "192.168.200.2", .stateless(outlet)),
        path("fcc8::1", "fcc8::2", .tracked(ports: nil)),
      ],
      end: .client(remotes: [
        Self.remote, Endpoint(Address("203.0.113.10")!, port: 80),
        Endpoint(Address("2001:db8::9")!, port: 81),
      ]))
    let text = rules.text
    for server in [
      "203.0.113.9 ip daddr 203.0.113.1 tcp sport 4567", "203.0.113.10 ip daddr 203.0.113.1 tcp sport 80",
    ] {
      #expect(text.contains("ip saddr \(server) tcp dport 1024-57343 notrack"))
    }
    #expect(text.contains("ip6 saddr 2001:db8::9 tcp sport 81 ct state invalid"))
    #expect(text.split(separator: "\n").count { $0.contains("notrack ip daddr set") } == 4)
    #expect(text.split(separator: "\n").count { $0.contains("ct state invalid") } == 1)
  }

  @Test func aServerTakesItsPortOnAllAddressesOfBothFamilies() {
    let rules = FirewallRules(
      device: "guise1",
      paths: [
        path("192.168.201.1", "192.168.201.2", .tracked(ports: nil)),
        path("fcc9::1", "fcc9::2", .tracked(ports: nil)),
      ],
      end: .server(address: nil, port: 4567))
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
            ip daddr != 127.0.0.0/8 meta nfproto ipv4 fib daddr type local tcp dport 4567 dnat ip to 192.168.201.2
            ip6 daddr != ::1 meta nfproto ipv6 fib daddr type local tcp dport 4567 dnat ip6 to fcc9::2
          }

          chain untranslated {
            type filter hook postrouting priority srcnat + 10; policy accept;
            oifname != "guise1" ip saddr 192.168.201.2 counter name "invalid" drop
            oifname != "guise1" ip6 saddr fcc9::2 counter name "invalid" drop
          }

          chain input {
            type filter hook input priority filter; policy accept;
            iifname != "guise1" meta nfproto ipv4 tcp dport 4567 ct state invalid counter name "invalid" drop
            iifname != "guise1" meta nfproto ipv6 tcp dport 4567 ct state invalid counter name "invalid" drop
          }
        }

        """)
  }

  @Test func oneFamilyOfAServerMayBeStatelessAndItsOwnHostIsServedWithoutTracking() {
    let outlet = Outlet(device: "eth0", address: Address("2001:db8::1")!)
    let rules = FirewallRules(
      device: "guise1",
      paths: [
        path("192.168.201.1", "192.168.201.2", .tracked(ports: nil)),
        path("fcc9::1", "fcc9::2", .stateless(outlet)),
      ],
      end: .server(address: nil, port: 4567)
    ).text
    #expect(
      rules.contains(
        """
          chain arrivals {
            type filter hook prerouting priority raw - 1; policy accept;
            iifname "guise1" ip6 saddr fcc9::2 ip6 daddr != { fcc9::1, 2001:db8::1 } notrack accept
            iifname "eth0" ip6 daddr 2001:db8::1 tcp dport 4567 notrack ip6 daddr set fcc9::2 accept
            iifname != "guise1" ip6 daddr 2001:db8::1 tcp dport 4567 ip6 daddr set fcc9::2 accept
            iifname "eth0" ip6 daddr 2001:db8::1 icmpv6 type packet-too-big @th,112,8 6 \
        @th,128,128 0x20010db8000000000000000000000001 @th,384,16 4567 notrack ip6 daddr set fcc9::2 accept
          }
        """))
    #expect(rules.contains("ip6 saddr fcc9::2 ip6 saddr set 2001:db8::1 accept\n"))
    #expect(
      rules.contains(
        """
          chain requests {
            type route hook output priority raw; policy accept;
            ip6 daddr 2001:db8::1 tcp dport 4567 ip6 daddr set fcc9::2
          }

          chain answers {
            type filter hook input priority 100; policy accept;
            iifname "guise1" ip6 saddr fcc9::2 tcp sport 4567 ip6 saddr set 2001:db8::1
          }
        """))
    #expect(rules.split(separator: "\n").count { $0.contains("dnat") } == 2)
    #expect(!rules.contains("ip6 saddr fcc9::2 counter") && !rules.contains("dnat ip6"))
    #expect(rules.contains("ip saddr 192.168.201.2 counter"))
  }

  @Test func whatIsTranslatedAtTCHasRulesForOtherDevicesAlone() {
    let main = Outlet(device: "eth0", address: Address("203.0.113.1")!)
    let other = Outlet(device: "wg0", address: Address("10.0.0.1")!)
    var server = FirewallRules(
      device: "guise1",
      paths: [
        path("192.168.201.1", "192.168.201.2", .atTC(main, others: [other])),
        path("fcc9::1", "fcc9::2", .unreachable),
      ],
      end: .server(address: nil, port: 4567), mark: 7)
    #expect(server.tableFamilies == [.netdev] && server.isStateless)
    #expect(server.summary.hasPrefix("IPv4 as 203.0.113.1 at tc on eth0, as 10.0.0.1 on wg0, IPv6 not yet"))
    #expect(
      server.text == """
        add table netdev guise_guise1
        delete table netdev guise_guise1
        table netdev guise_guise1 {
          chain arrivals4_1 {
            type filter hook ingress device "wg0" priority filter; policy accept;
            ip daddr 10.0.0.1 tcp dport 4567 ip daddr set 192.168.201.2 accept
            ip daddr 10.0.0.1 icmp type destination-unreachable icmp code frag-needed @th,136,8 6 \
        @th,160,32 0x0a000001 @th,224,16 4567 ip daddr set 192.168.201.2 accept
          }

          chain departures4_1 {
            type filter hook egress device "wg0" priority filter; policy accept;
            ip saddr 192.168.201.2 ip saddr set 10.0.0.1 accept
          }
        }

        """)
    server.paths[0].translation = .atTC(main, others: [])
    #expect(server.text.isEmpty && server.tableFamilies.isEmpty)
    server.paths[1].translation = .tracked(ports: nil)
    #expect(server.tableFamilies == [.inet] && !server.text.contains("192.168.201.2"))
  }

  @Test func aServerThatNobodyReachesHasNoRules() {
    let rules = FirewallRules(
      device: "guise1", paths: [path("fcc9::1", "fcc9::2", .unreachable)],
      end: .server(address: nil, port: 4567))
    #expect(rules.text.isEmpty)
  }

  @Test func aServerThatKeepsToOneAddressLeavesTheOthersAlone() {
    let rules = FirewallRules(
      device: "guise1", paths: [path("192.168.201.1", "192.168.201.2", .tracked(ports: nil))],
      end: .server(address: Address("203.0.113.1")!, port: 4567)
    ).text
    #expect(rules.contains("iifname != \"guise1\" ip daddr 203.0.113.1 tcp dport 4567 dnat"))
    #expect(!rules.contains("fib"))
  }
}
