package import DataPlane

/// What the operator asked for, before anything was looked up on the host.
package struct GatewayConfiguration: Equatable, Sendable {
  /// Where traffic comes in, which also says which end this is.
  package enum Listen: Hashable, Sendable {
    /// A client's UDP socket.
    case udp(HostPort)
    /// A server's TCP port, on one address of the host, or on every one where that is nil.
    case tcp(Address?, port: UInt16)
  }

  package enum FirewallMode: String, Sendable, CaseIterable {
    /// `tc` where the kernel can and nobody else's rules would be passed by, else `tracked`.
    case auto
    /// Programs at tc, before netfilter and routing, with the rules of `stateless` beneath.
    case tc
    /// Rules are installed, and removed at the end: masquerade and DNAT.
    case tracked
    /// The same, but rules that pass connection tracking by.
    case stateless
    /// The rules are printed, and nothing else is done.
    case print
    /// The operator sees to masquerade or DNAT.
    case off
  }

  /// Where flows are kept, so that they outlive the process.
  package enum FlowFileChoice: Hashable, Sendable {
    /// Among the records of what this host has of guise.
    case standard
    case off
    case path(String)
  }

  package enum OffloadMode: String, Sendable, CaseIterable {
    /// On where the kernel takes it.
    case auto
    case on
    case off
  }

  /// Whether the connections of each UDP source are shared out among a client's workers.
  package enum SpreadMode: String, Sendable, CaseIterable {
    /// Where the kernel does it.
    case auto
    /// They are one worker's.
    case off
  }

  /// Which CPUs the workers run on.
  package enum CPUChoice: Hashable, Sendable {
    /// The scheduler decides, and may change its mind.
    case any
    /// One each, near the network card where the host has several NUMA nodes.
    case auto
    case list(CPUList)
  }

  /// What the log calls this tunnel.
  package var name: String?
  package var listen: Listen
  package var remote: HostPort
  /// Client: servers to go to when `remote` does not answer, in order.
  package var fallbacks: [HostPort] = []

  /// The device's name, or nil for the first free of guise0, guise1, …
  package var device: String?
  package var tunIPv4 = TunAddressRequest()
  package var tunIPv6 = TunAddressRequest()
  package var ipv4Only = false
  /// In bytes; nil for what the way to the other end takes.
  package var mtu: Int?
  /// nil for one on each CPU that `cpus` names, or that this process may use, if these are more than two.
  package var workers: Int?
  package var cpus = CPUChoice.any
  /// Server: addresses that the flows' UDP sockets leave from in turn; empty for the one that the route has.
  package var sources: [Address] = []
  package var idleTimeoutSeconds = idleTimeoutDefault
  /// Client: how long a flow may be silent before the server is asked for a sign of life; 0: for ever.
  package var keepaliveSeconds = keepaliveDefault
  /// Most flows at once; nil for what there is room for.
  package var flowCountMax: Int?
  /// Server: most flows of one source address; nil for three quarters of all.
  package var flowsPerSource: Int?
  /// Server: most new flows in a second.
  package var newFlowsPerSecond = newFlowsDefault
  /// Longest interval at which busy workers wake; 0 for as often as something comes.
  package var moderationMicroseconds = moderationDefault
  /// How long workers in conversation poll before they sleep; 0 for not at all.
  package var pollMicroseconds = pollDefault
  /// Client: TCP flows for each UDP source.
  package var connections = 1
  package var spread = SpreadMode.off
  package var handshakePacketPath: String?
  package var firewall = FirewallMode.auto
  /// What guise's packets are marked with for routing, beside those that come for it; nil for nothing.
  package var mark: UInt32?
  package var offload = OffloadMode.auto
  package var flowFile = FlowFileChoice.standard
  /// Whether to replace the process that has this end now.
  package var takesOver = false
  /// Where metrics and page are served. nil: nowhere.
  package var metrics: MetricsAddress?
  /// The process that runs this one as one tunnel of several, and that it does not outlive.
  package var parentProcess: Int32?
  /// nil for the best that the kernel grants.
  package var engine: EngineKind?
  /// Whom to go on as, by name or number; nil for what suits (`Confinement`).
  package var user: String?
  /// Whether system calls that guise does not need are refused.
  package var filtersCalls = true

  package init(listen: Listen, remote: HostPort) {
    self.listen = listen
    self.remote = remote
  }

  /// Where a server takes TCP; nil for a client.
  package var listenPort: ListenPort? {
    if case .tcp(let address, let port) = listen { ListenPort(address, port: port) } else { nil }
  }

  package var role: Role {
    switch listen {
    case .udp: .client
    case .tcp: .server
    }
  }

  /// A client's servers, or a server's service.
  var remotes: [HostPort] { [remote] + fallbacks }

  package static let idleTimeoutDefault = GatewayPlan.idleTimeoutDefault
  package static let keepaliveDefault = GatewayPlan.keepaliveDefault
  package static let moderationDefault = GatewayPlan.moderationDefault
  package static let pollDefault = GatewayPlan.pollDefault

  /// What opening sockets for them takes of a core is a third or so.
  package static let newFlowsDefault = 20_000

  // Bounds that the command line checks.
  package static let flowCountRange = GatewayPlan.flowCountRange
  package static let newFlowsRange = 1...1_000_000
  package static let mtuRange = 576...65_535
  package static let workersRange = 1...TunDevice.queueCountMax
  package static let keepaliveRange = 0...86_400
  package static let remotesMax = GatewayPlan.remotesMax
  package static let idleTimeoutRange = 1...604_800
  package static let connectionsRange = GatewayPlan.connectionsRange
  package static let moderationRange = 0...10_000
  package static let pollRange = 0...1_000

  /// Whether it can stand in a log line, and as a part of a file's name.
  package static func isTunnelName(_ name: String) -> Bool {
    (1...32).contains(name.utf8.count) && name.utf8.allSatisfy(\.isNameByte) && name.first != "."
  }

  /// Whether a device that is there may be the one that is asked for: by its name, or as one of a pattern's (`vpn%d`).
  func mayHave(device name: String) -> Bool {
    guard let device else { return true }
    guard device.hasSuffix("%d") else { return device == name }
    let prefix = device.dropLast(2)
    let number = name.dropFirst(prefix.count)
    return name.hasPrefix(prefix) && !number.isEmpty && number.allSatisfy { ("0"..."9").contains($0) }
  }

  /// Whether the kernel would take `name` for a device and nft for a part of a table's name. One `%d`
  /// stands for a number that the kernel picks.
  package static func isDeviceName(_ name: String) -> Bool {
    let plain = name.hasSuffix("%d") ? String(name.dropLast(2)) : name
    return (1...TunDevice.nameLengthMax).contains(name.utf8.count) && !plain.isEmpty
      && plain != "." && plain != ".." && plain != "all" && plain != "default"
      && plain.utf8.allSatisfy(\.isNameByte)
  }
}
