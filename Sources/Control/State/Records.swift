/// What one running instance has on the host; its file is locked for as long as the instance lives.
struct InstanceRecord: Codable, Equatable, Sendable {
  /// `NetworkNamespace.identity`.
  var namespace: String
  var processID: Int32
  /// `--name`.
  var tunnel: String?
  var device: String
  /// The nftables table, in the families `inet` or `netdev`, or nil where guise leaves the firewall alone.
  var firewallTable: String?
  /// The devices that its programs at tc are attached to, beside its own.
  var outlets: [String]?
  /// A client's servers, each as `ADDRESS:PORT`.
  var remotes: [String]?
  /// Whether its packets pass connection tracking by.
  var isStateless: Bool?
  /// The file in the state directory that its flows are in, if they outlive it.
  var flowFile: String?

  /// Whether guise can have written it. The directory is that of an unprivileged user, and root acts on what it
  /// finds there.
  var isPlausible: Bool {
    GatewayConfiguration.isDeviceName(device) && !device.contains("%")
      && (firewallTable == nil || firewallTable == FirewallRules.table(of: device))
      && (outlets ?? []).allSatisfy { GatewayConfiguration.isDeviceName($0) && !$0.contains("%") }
      && flowFile.map(StateDirectory.isFlowFileName) != false
      && tunnel.map(GatewayConfiguration.isTunnelName) != false
  }
}

/// What all instances of one network namespace together changed, and the last of them puts back.
struct SharedRecord: Codable, Equatable, Sendable {
  var namespace: String
  /// In the order in which they were made.
  var sysctls: [SysctlChange]
}

/// What every record begins with: whose it is.
struct NamespaceRecord: Decodable {
  var namespace: String
}
