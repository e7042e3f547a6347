internal import DataPlane

/// What `--firewall print` says: the rules of a gateway, for those who manage their own.
package enum FirewallPrint {
  /// Text that `nft -f` takes. Commands for iptables and how to start guise with them stand in it as comments.
  ///
  /// Looks names up, and changes nothing.
  package static func text(_ configuration: GatewayConfiguration) throws(SetupError) -> String {
    let device = (configuration.device ?? "guise%d").replacing("%d", with: "0")
    let families = configuration.ipv4Only ? [AddressFamily.ipv4] : AddressFamily.allCases
    let end: FirewallRules.End
    var carried = Set(families)
    switch configuration.listen {
    case .udp:
      var remotes: [Endpoint] = []
      for target in configuration.remotes {
        remotes.append(
          try HostResolution.endpoint(of: target, families: Set(families), purpose: "--remote"))
      }
      carried = Set(remotes.map(\.address.family))
      end = .client(remotes: remotes)
    case .tcp(let address, let port):
      if let address { carried = [address.family] }
      end = .server(address: address, port: port)
    }
    let paths = families.filter(carried.contains).map {
      FirewallRules.Path(pair: pair(configuration, $0), translation: .tracked(ports: nil))
    }
    let rules = FirewallRules(device: device, paths: paths, end: end, mark: configuration.mark)
    return """
      # The rules of 'guise \(configuration.role)' for nft -f. It runs with them when started with
      #   \(options(rules))
      # and forwarding must be on, which it sees to.
      \(rules.text)
      # The same for iptables:
      \(rules.iptables.map { "#   \($0)\n" }.joined())
      """
  }

  private static func pair(_ configuration: GatewayConfiguration, _ family: AddressFamily) -> TunAddressPair {
    let request = family == .ipv4 ? configuration.tunIPv4 : configuration.tunIPv6
    let standard = TunAddressing.defaultPair(configuration.role, family)
    return TunAddressPair(local: request.local ?? standard.local, peer: request.peer ?? standard.peer)
  }

  /// What makes device and addresses those that the rules name.
  private static func options(_ rules: FirewallRules) -> String {
    let addresses = rules.paths.map { path in
      let digit = path.family == .ipv4 ? "" : "6"
      return "--tun-local\(digit) \(path.pair.local) --tun-peer\(digit) \(path.pair.peer)"
    }
    return (["--firewall off --tun \(rules.device)"] + addresses).joined(separator: " ")
  }
}
