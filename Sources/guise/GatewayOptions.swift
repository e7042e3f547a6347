internal import ArgumentParser
internal import Control
internal import DataPlane

/// What both ends can be told.
struct GatewayOptions: ParsableArguments {
  @Option(help: ArgumentHelp("What log lines call this tunnel, for a host with several.", valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "The TUN device's name; without it, the first free of guise0, guise1, …", valueName: "name"))
  var tun: String?

  @Option(
    help: ArgumentHelp(
      "The kernel's IPv4 address on the TUN device (client 192.168.200.1, server 192.168.201.1).",
      valueName: "ipv4"),
    transform: { try address($0, .ipv4) })
  var tunLocal: Address?

  @Option(
    help: ArgumentHelp(
      "The IPv4 address of guise's TCP end there (client 192.168.200.2, server 192.168.201.2).",
      valueName: "ipv4"),
    transform: { try address($0, .ipv4) })
  var tunPeer: Address?

  @Option(
    help: ArgumentHelp(
      "The kernel's IPv6 address on the TUN device (client fcc8::1, server fcc9::1).", valueName: "ipv6"),
    transform: { try address($0, .ipv6) })
  var tunLocal6: Address?

  @Option(
    help: ArgumentHelp(
      "The IPv6 address of guise's TCP end there (client fcc8::2, server fcc9::2).", valueName: "ipv6"),
    transform: { try address($0, .ipv6) })
  var tunPeer6: Address?

  @Flag(
    name: [.customShort("4"), .long],
    help: "Use IPv4 alone: no IPv6 address on the TUN device, none of the remote's.")
  var ipv4Only = false

  @Option(
    help: ArgumentHelp(
      "Send this file's bytes as the first segment of each flow, to look like some protocol.",
      valueName: "file"))
  var handshakePacket: String?

  @Option(
    help: ArgumentHelp(
      """
      How many threads carry packets, 1 to 256; without it, one for each CPU that they may use, and a single one on \
      two CPUs.
      """,
      valueName: "count"))
  var workers: Int?

  @Option(
    help: ArgumentHelp(
      """
      The CPU that each of these threads stays on, in turn, as in 0-3,8. auto: those near the network card. Without it, \
      wherever the scheduler has them.
      """,
      valueName: "list|auto"),
    transform: { try cpus($0) })
  var cpus = GatewayConfiguration.CPUChoice.any

  @Option(
    help: ArgumentHelp("Close a flow that was silent both ways for so long.", valueName: "seconds"))
  var idleTimeout = GatewayConfiguration.idleTimeoutDefault

  @Option(
    help: ArgumentHelp(
      "The most flows at once; without it, what ports and descriptors allow. The longest silent makes room.",
      valueName: "count"))
  var maxFlows: Int?

  @Option(
    help: ArgumentHelp(
      """
      How addresses are translated while guise runs. auto, the default: at tc where the kernel can and nobody else's \
      rules would be passed by, else tracked. tc: by programs at tc, before any rules; fast. tracked: masquerade and \
      DNAT of nftables. stateless: nftables, past connection tracking. off: not at all, you see to it. print, on the \
      command line alone: shows rules, also for iptables, and ends.
      """,
      valueName: "auto|tc|tracked|stateless|print|off"),
    transform: { try choice($0) })
  var firewall = GatewayConfiguration.FirewallMode.auto

  @Option(
    help: ArgumentHelp(
      """
      Mark guise's packets for routing, as wg-quick exempts packets with its FwMark from the tunnel. Needed where a \
      default route leads through a tunnel that goes over guise.
      """,
      valueName: "number"),
    transform: { try mark($0) })
  var fwmark: UInt32?

  @Option(
    help: ArgumentHelp(
      "Let the kernel cut and glue segments. auto, the default: where it can. on: or fail. off: never.",
      valueName: "auto|on|off"),
    transform: { try choice($0) })
  var offload = GatewayConfiguration.OffloadMode.auto

  @Option(
    help: ArgumentHelp(
      """
      The kernel interface that carries packets. auto, the default: io_uring where kernel and policy permit it, else \
      epoll.
      """,
      valueName: "auto|io_uring|epoll"),
    transform: { try choice($0) })
  var engine = EngineChoice.auto

  @Option(
    help: ArgumentHelp(
      "The largest IP packet in bytes; without it, what the link takes that packets leave by.",
      valueName: "bytes"))
  var mtu: Int?

  @Option(
    help: ArgumentHelp(
      "How long a worker may let a stream's datagrams collect, so that they cross as a train; 0: never.",
      valueName: "microseconds"))
  var moderation = GatewayConfiguration.moderationDefault

  @Option(
    help: ArgumentHelp(
      "How long a worker looks for the next of requests and answers that follow each other closely, before it sleeps; 0: not at all.",
      valueName: "microseconds"))
  var busyPoll = GatewayConfiguration.pollDefault

  @Option(
    help: ArgumentHelp(
      """
      Where flows are kept, so that the next start goes on with them after a crash. auto: in /run/guise. off: nowhere; \
      they begin anew.
      """,
      valueName: "auto|off|file"))
  var flowFile = "auto"

  @Flag(
    name: .customLong("takeover"),
    help:
      "Replace the process that has this end now, with another version or options, and go on with its flows.")
  var takesOver = false

  @Option(
    help: ArgumentHelp(
      """
      Whom to go on as once set up, by name or number, when started by root: guise where there is such a user, \
      else nobody. root: stays root.
      """,
      valueName: "user"))
  var user: String?

  @Option(
    help: ArgumentHelp(
      "Refuse system calls that guise does not need. auto, the default: where the kernel can. off: never.",
      valueName: "auto|off"),
    transform: { try choice($0) })
  var sandbox = Sandbox.auto

  @Option(
    help: ArgumentHelp(
      "Serve metrics for Prometheus, health and a live page over HTTP; of a port alone, at 127.0.0.1.",
      valueName: "[address:]port"),
    transform: MetricsAddress.init)
  var metrics: MetricsAddress?

  /// Given by `guise run` to those that it starts.
  @Option(help: .hidden) var parent: Int32?

  @OptionGroup var logging: LoggingOptions

  mutating func validate() throws {
    if let name, !GatewayConfiguration.isTunnelName(name) {
      throw ValidationError(
        "'\(name)' cannot be the name of a tunnel: use up to 32 letters, digits, '-', '_' or '.'")
    }
    if let tun, !GatewayConfiguration.isDeviceName(tun) {
      throw ValidationError(
        "'\(tun)' cannot be the name of a device: use up to 15 letters, digits, '-', '_' or '.', other than 'all' and "
          + "'default'")
    }
    try check(workers, in: GatewayConfiguration.workersRange, "--workers")
    try check(mtu, in: GatewayConfiguration.mtuRange, "--mtu")
    try check(moderation, in: GatewayConfiguration.moderationRange, "--moderation")
    try check(busyPoll, in: GatewayConfiguration.pollRange, "--busy-poll")
    try check(maxFlows, in: GatewayConfiguration.flowCountRange, "--max-flows")
    try check(idleTimeout, in: GatewayConfiguration.idleTimeoutRange, "--idle-timeout")
    if takesOver, flowFile == "off" {
      throw ValidationError("--takeover goes on with the flows in the flow file: leave out '--flow-file off'")
    }
    if let tunLocal, tunLocal == tunPeer {
      throw ValidationError("--tun-local and --tun-peer must differ: they are the two ends of a link")
    }
    if let tunLocal6, tunLocal6 == tunPeer6 {
      throw ValidationError("--tun-local6 and --tun-peer6 must differ: they are the two ends of a link")
    }
    if fwmark != nil, firewall == .off {
      throw ValidationError("--fwmark is set by guise's rules: with '--firewall off', set it in your own")
    }
    if ipv4Only, tunLocal6 != nil || tunPeer6 != nil {
      throw ValidationError(
        "--ipv4-only leaves no use for --tun-local6 and --tun-peer6: drop one or the other")
    }
  }

  func check(_ value: Int?, in range: ClosedRange<Int>, _ option: String) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError(
      "\(option) \(value) is out of bounds: use \(range.lowerBound) to \(range.upperBound)")
  }

  private static func address(_ text: String, _ family: AddressFamily) throws -> Address {
    guard let address = Address(text), address.family == family, !address.isUnspecified, !address.isMulticast
    else {
      throw ValidationError(
        "write an \(family) address, as in \(family == .ipv4 ? "192.168.200.2" : "fcc8::2")")
    }
    return address
  }

  /// Decimal or, behind 0x, hexadecimal, as in wg(8).
  static func mark(_ text: String) throws -> UInt32 {
    let value = text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
    guard let value, value != 0 else {
      throw ValidationError(
        "'\(text)' is not a mark: use a number from 1 to 4294967295, or 0x1 to 0xffffffff")
    }
    return value
  }

  private static func cpus(_ text: String) throws -> GatewayConfiguration.CPUChoice {
    text == "auto" ? .auto : .list(try CPUList(text))
  }

  static func choice<Value: CaseIterable & RawRepresentable<String>>(_ text: String) throws -> Value {
    guard let value = Value(rawValue: text) else {
      throw ValidationError("use one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }

  enum Sandbox: String, CaseIterable {
    case auto
    case off
  }

  enum EngineChoice: String, CaseIterable {
    case auto
    case uring = "io_uring"
    case epoll
  }

  /// Adds what both ends can be told to what one of them has been told.
  func fill(_ configuration: inout GatewayConfiguration) {
    configuration.name = name
    configuration.device = tun
    configuration.tunIPv4 = TunAddressRequest(local: tunLocal, peer: tunPeer)
    configuration.tunIPv6 = TunAddressRequest(local: tunLocal6, peer: tunPeer6)
    configuration.ipv4Only = ipv4Only
    configuration.mtu = mtu
    configuration.workers = workers
    configuration.cpus = cpus
    configuration.idleTimeoutSeconds = idleTimeout
    configuration.flowCountMax = maxFlows
    configuration.moderationMicroseconds = moderation
    configuration.pollMicroseconds = busyPoll
    configuration.handshakePacketPath = handshakePacket
    configuration.firewall = firewall
    configuration.mark = fwmark
    configuration.offload = offload
    configuration.flowFile =
      switch flowFile {
      case "auto": .standard
      case "off": .off
      default: .path(flowFile)
      }
    configuration.takesOver = takesOver
    configuration.metrics = metrics
    configuration.parentProcess = parent
    configuration.engine = EngineKind(rawValue: engine.rawValue)
    configuration.user = user
    configuration.filtersCalls = sandbox == .auto
  }
}
