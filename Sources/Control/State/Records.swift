internal import Glibc

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
  /// A server's TCP port, with an address if it has one of its own: `[ADDRESS:]PORT`.
  var serves: String?
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
      && (outlets ?? []).allSatisfy(Self.isOutletName)
      && flowFile.map(StateDirectory.isFlowFileName) != false
      && tunnel.map(GatewayConfiguration.isTunnelName) != false
  }
}

extension InstanceRecord {
  /// Whether packets may come that are for both it and such a server.
  func overlaps(_ service: ListenPort) -> Bool {
    serves.flatMap { try? ListenPort($0) }?.overlaps(service) == true
  }

  /// Whether it is a client whose datagrams come in there, and whose flows are kept.
  func isClient(at local: HostPort) -> Bool {
    flowFile?.hasSuffix(StateDirectory.flowFileEnd(of: .udp(local))) == true
  }

  /// Whether the kernel lets a device be called so (`dev_valid_name` in net/core/dev.c): an outlet is anybody's.
  private static func isOutletName(_ name: String) -> Bool {
    (1..<Int(IFNAMSIZ)).contains(name.utf8.count) && name != "." && name != ".."
      && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") || $0 <= UInt8(ascii: " ") }
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
