package import DataPlane

/// What of a tunnel does not change while it runs.
package struct TunnelDescription: Codable, Sendable, Equatable {
  /// The TUN device's name, which is the tunnel's as well.
  package var name: String
  /// What its operator calls it (`--name`).
  package var title: String?
  package var role: String
  package var engine: String
  package var listen: String
  package var remotes: [String]
  /// Where metrics and page are served; nil: nowhere.
  package var metrics: String?
  package var mtu: Int
  /// The CPU of each worker; empty where the scheduler decides.
  package var cpus: [Int]
  package var flowsMax: Int
  package var process: Int32
  /// Unix time.
  package var startedAt: Double
  package var version = Version.text

  package init(
    name: String, title: String? = nil, role: Role, engine: EngineKind, listen: String, remotes: [String],
    metrics: String? = nil, mtu: Int, cpus: [Int], flowsMax: Int, process: Int32,
    startedAt: Double = ObservedTunnel.unixTime()
  ) {
    self.name = name
    self.title = title
    self.role = "\(role)"
    self.engine = engine.rawValue
    self.listen = listen
    self.remotes = remotes
    self.metrics = metrics
    self.mtu = mtu
    self.cpus = cpus
    self.flowsMax = flowsMax
    self.process = process
    self.startedAt = startedAt
  }
}

/// The rules that translate a tunnel's addresses, as they were last looked at.
package struct FirewallReport: Codable, Sendable, Equatable {
  /// The nftables table, in the families `inet` or `netdev`; nil where there is none.
  package var table: String?
  /// How addresses are translated; nil where guise leaves that to others.
  package var translation: String?
  /// Whether table and programs are there; nil when nobody could tell.
  package var isInstalled: Bool?
  /// Packets that programs at tc translated, a train being one; nil where there are none.
  package var tcPackets: UInt64?
  /// Packets that these dropped, since they would have left by another device than the one that they are attached to.
  package var tcStrays: UInt64?
  /// Packets that connection tracking called invalid and the table dropped.
  package var invalidPackets: UInt64?
  /// How often somebody else had changed the table and it was put back; nil where guise leaves the firewall alone.
  package var restorations: UInt64?

  package init(
    table: String? = nil, translation: String? = nil, isInstalled: Bool? = nil, tcPackets: UInt64? = nil,
    tcStrays: UInt64? = nil, invalidPackets: UInt64? = nil, restorations: UInt64? = nil
  ) {
    self.table = table
    self.translation = translation
    self.isInstalled = isInstalled
    self.tcPackets = tcPackets
    self.tcStrays = tcStrays
    self.invalidPackets = invalidPackets
    self.restorations = restorations
  }
}
