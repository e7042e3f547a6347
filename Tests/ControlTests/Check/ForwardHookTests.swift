import Testing

@testable import Control

/// Whose rules drop what is forwarded, and how each is told to let guise's packets through.
@Suite(.enabled(if: NetworkNamespaceFixture.isPossible))
struct ForwardHookTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// For `nft -f`.
    let rules: String
    let fault: String
    let remedy: String
    /// Does what the remedy does.
    let mended: String
  }

  private static let cases = [
    Case(
      testDescription: "iptables",
      rules: "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }",
      fault: "'ip filter FORWARD'", remedy: "iptables -I FORWARD -i guise0 -j ACCEPT",
      mended:
        "insert rule ip filter FORWARD iifname \"guise0\" counter accept; "
        + "insert rule ip filter FORWARD oifname \"guise0\" counter accept"),
    Case(
      testDescription: "Docker",
      rules: """
        table ip filter {
          chain DOCKER-USER { }
          chain DOCKER-FORWARD { oifname "docker0" ct state { established, related } counter accept; }
          chain FORWARD {
            type filter hook forward priority 0; policy drop;
            counter jump DOCKER-USER
            counter jump DOCKER-FORWARD
          }
        }
        """,
      fault: "(Docker)", remedy: "iptables -I DOCKER-USER -i guise0 -j ACCEPT",
      mended:
        "insert rule ip filter DOCKER-USER iifname \"guise*\" counter accept; "
        + "insert rule ip filter DOCKER-USER oifname \"guise*\" counter accept"),
    Case(
      testDescription: "ufw",
      rules: """
        table ip filter {
          chain ufw-user-forward { }
          chain ufw-before-forward {
            ct state { established, related } counter accept
            counter jump ufw-user-forward
          }
          chain FORWARD { type filter hook forward priority 0; policy drop; counter jump ufw-before-forward; }
        }
        """,
      fault: "(ufw)", remedy: "ufw route allow in on guise0",
      mended:
        "add rule ip filter ufw-user-forward iifname \"guise0\" accept; "
        + "add rule ip filter ufw-user-forward oifname \"guise0\" accept"),
    Case(
      testDescription: "firewalld",
      rules: """
        table inet firewalld {
          chain filter_FWD_trusted { accept; }
          chain filter_FWD_public { reject with icmpx admin-prohibited; }
          chain filter_FORWARD_ZONES { goto filter_FWD_public; }
          chain filter_FORWARD {
            type filter hook forward priority 10; policy accept;
            ct state { established, related } accept
            ct status dnat accept
            iifname "lo" accept
            ct state invalid drop
            jump filter_FORWARD_ZONES
            reject with icmpx admin-prohibited
          }
        }
        """,
      fault: "(firewalld)", remedy: "firewall-cmd --permanent --zone=trusted --add-interface=guise0",
      mended: "insert rule inet firewalld filter_FORWARD_ZONES iifname \"guise0\" goto filter_FWD_trusted"),
    Case(
      testDescription: "a table of one's own",
      rules: "table inet mine { chain forwards { type filter hook forward priority 0; reject; }; }",
      fault: "'inet mine forwards'", remedy: "nft insert rule inet mine forwards iifname \"guise0\" accept",
      mended:
        "insert rule inet mine forwards iifname \"guise*\" accept; "
        + "insert rule inet mine forwards oifname \"guise*\" accept"
    ),
  ]

  @Test(arguments: cases) func aChainThatDropsIsNamedUntilItIsMended(fault: Case) throws {
    let host = try NetworkNamespaceFixture("fw-\(fault.testDescription.prefix { $0 != " " })")
    _ = try host.run(["nft", fault.rules])
    try CheckRun(host).expect("firewall", .fail, fault.fault, remedy: fault.remedy)
    // A client's first packet is new; a server's is translated, and what answers is known.
    try CheckRun(host, ["--local", "127.0.0.1:1234"])
      .expect("firewall", .fail, fault.fault, remedy: fault.remedy)
    _ = try host.run(["nft", fault.mended])
    let mended = try CheckRun(host)
    #expect(mended.findings("firewall", .fail).isEmpty, "\(mended.entries)")
  }

  @Test func firewalldLetsAServersTranslatedPacketsThrough() throws {
    let host = try NetworkNamespaceFixture("fwd-server")
    _ = try host.run(["nft", try #require(Self.cases.first { $0.testDescription == "firewalld" }).rules])
    #expect(try CheckRun(host, ["--serve", "4567"]).findings("firewall", .fail).isEmpty)
  }

  @Test func whatIsNotJSONIsRefused() {
    #expect(throws: SetupError.toolOutputUnreadable(command: "nft -j -t list ruleset")) {
      try Ruleset(listing: "table ip filter")
    }
  }
}
