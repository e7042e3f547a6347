internal import DataPlane

/// Whether the kernel takes rules like guise's. `nft --check` has it build them and then throw them away.
struct TranslationCheck: Check {
  let name = "nftables"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard host.path(.nft) != nil, (try? host.privileges.check()) != nil else { return [] }
    do throws(SetupError) {
      for rules in Self.samples { _ = try host.run(.nft, ["--check", "-f", "-"], rules.text) }
      return [.fine("the kernel takes masquerade, DNAT and fib")]
    } catch {
      return [.fail(error)]
    }
  }

  private static let samples: [FirewallRules] = {
    let paths = [Role.client, .server].map { role in
      AddressFamily.allCases.map {
        FirewallRules.Path(pair: TunAddressing.defaultPair(role, $0), translation: .tracked(ports: nil))
      }
    }
    let server = Endpoint(Address("192.0.2.1")!, port: 4567)
    return [
      FirewallRules(device: "guise-check", paths: paths[0], end: .client(remotes: [server])),
      FirewallRules(device: "guise-check", paths: paths[1], end: .server(address: nil, port: 4567)),
    ]
  }()
}
