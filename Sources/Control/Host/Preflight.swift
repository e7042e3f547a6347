internal import DataPlane
internal import Glibc
internal import Logging

/// What is known once the host has been looked at, before anything on it is changed.
struct Preflight: Sendable {
  let configuration: GatewayConfiguration
  /// A client's servers in order of preference, or a server's service.
  let remotes: [Endpoint]
  var remote: Endpoint { remotes[0] }
  /// A client's UDP endpoint.
  let local: Endpoint?
  var workers: Int { placement.workers }
  /// The families that the TUN device carries.
  let families: Set<AddressFamily>
  let mtu: Int
  let placement: Placement
  let engine: EngineKind
  let handshakePacket: [UInt8]
  let confinement: Confinement

  /// Looks everything up and throws the first thing that would make the gateway fail.
  ///
  /// What a `predecessor` has need not be free: it is handed over, or its process is dead.
  static func check(
    _ configuration: GatewayConfiguration, _ confinement: Confinement, _ predecessor: FlowFileHeader?,
    _ log: Logger
  ) throws(SetupError) -> Preflight {
    try checkTunDevice()
    guard HostTool.ip.path() != nil else { throw .toolMissing(.ip) }
    if configuration.firewall != .off, HostTool.nft.path() == nil { throw .toolMissing(.nft) }
    if let device = configuration.device, device != predecessor?.device, !deviceIsGone(device) {
      throw .deviceTaken(device)
    }

    let local = try checkedLocal(configuration, isFree: predecessor != nil, log)
    let available = try availableFamilies(configuration, log)
    var remotes: [Endpoint] = []
    for target in configuration.remotes {
      let remote = try HostResolution.endpoint(of: target, families: available, purpose: "--remote")
      try checkRemote(remote.address, configuration.role)
      remotes.append(remote)
    }
    let remote = remotes[0]
    for source in configuration.sources { try check(source: source, to: remote) }

    var families = try carriedFamilies(configuration, remotes, available)
    warnOfUnused(configuration, families, log)
    let mtu = EgressMTU.choose(configuration, remotes, families, predecessor, log)
    if mtu < minimumMTUForIPv6, families.contains(.ipv6) {
      guard configuration.role == .server else { throw .mtuTooSmallForIPv6(mtu) }
      log.warning("an MTU of \(mtu) is too small for IPv6, which needs 1280: going on with IPv4 only")
      families.remove(.ipv6)
    }
    let placement = try placement(configuration, remote, families, log)
    return Preflight(
      configuration: configuration, remotes: remotes, local: local, families: families, mtu: mtu,
      placement: placement,
      engine: try EngineChoice.engine(asked: configuration.engine, workers: placement.workers, log),
      handshakePacket: try handshakePacket(configuration, mtu: mtu, families: families),
      confinement: confinement)
  }

  /// Whether there is no such device, or none any more within a moment.
  static func deviceIsGone(_ name: String) -> Bool {
    Patience.wait { unsafe if_nametoindex(name) == 0 }
  }

  private static let minimumMTUForIPv6 = 1280  // RFC 8200 §5

  private static func checkTunDevice() throws(SetupError) {
    let descriptor = unsafe open("/dev/net/tun", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw .noTunDevice(errno: errno) }
    close(descriptor)
  }

  // MARK: - Where traffic comes in

  private static func checkedLocal(
    _ configuration: GatewayConfiguration, isFree: Bool, _ log: Logger
  ) throws(SetupError) -> Endpoint? {
    switch configuration.listen {
    case .udp(let target):
      let all = Set(AddressFamily.allCases)
      let local = try HostResolution.endpoint(of: target, families: all, purpose: "--local")
      guard !local.address.isMulticast else { throw .udpAddressUnavailable(local) }
      if !isFree { try checkFree(local) }
      return local
    case .tcp(let address, let port):
      if let address, !LocalAddresses.has(address) { throw .localAddressMissing(address) }
      for listener in ListeningSockets.tcp(port: port) {
        log.warning(
          "a program listens on TCP \(listener) already: from now on its port leads to guise, until guise ends"
        )
      }
      return nil
    }
  }

  /// Tries to bind without SO_REUSEPORT, which would let two gateways take turns on one port.
  static func checkFree(_ local: Endpoint) throws(SetupError) {
    let isFree = try Patience.wait(step: 1) { () throws(SetupError) in
      do throws(SetupError) {
        close(try bind(local, reusePort: false, offload: false))
        return true
      } catch .udpPortTaken {
        return false
      }
    }
    guard isFree else { throw .udpPortTaken(local) }
  }

  /// Binds a UDP socket; tells what is wrong in the operator's words.
  static func bind(
    _ local: Endpoint, reusePort: Bool, offload: Bool, isShut: Bool = false
  ) throws(SetupError) -> Int32 {
    do throws(KernelError) {
      return try UDPSocket.bound(to: local, reusePort: reusePort, offload: offload, isShut: isShut)
    } catch {
      switch error.errno {
      case EADDRINUSE: throw .udpPortTaken(local)
      case EADDRNOTAVAIL, EAFNOSUPPORT: throw .udpAddressUnavailable(local)
      default: throw .kernelRefused(error)
      }
    }
  }

  /// Lets datagrams into sockets that were shut.
  static func letIn(_ sockets: [Int32]) throws(SetupError) {
    do throws(KernelError) {
      for socket in sockets { try SocketFilter.dropNothing(socket) }
    } catch {
      throw .kernelRefused(error)
    }
  }

  // MARK: - Where it goes

  private static func availableFamilies(
    _ configuration: GatewayConfiguration, _ log: Logger
  ) throws(SetupError) -> Set<AddressFamily> {
    guard !configuration.ipv4Only else { return [.ipv4] }
    guard Sysctl().read("net/ipv6/conf/all/disable_ipv6") == "0" else {
      for case .address(let address) in configuration.remotes.map(\.host) where !address.isIPv4 {
        throw .ipv6Unavailable(target: "\(address)")
      }
      if configuration.role == .server {
        log.warning("IPv6 is switched off on this host: going on with IPv4 only")
      }
      return [.ipv4]
    }
    return [.ipv4, .ipv6]
  }

  /// A client's families are its servers'. A server takes both, or that of the address that it keeps to.
  private static func carriedFamilies(
    _ configuration: GatewayConfiguration, _ remotes: [Endpoint], _ available: Set<AddressFamily>
  ) throws(SetupError) -> Set<AddressFamily> {
    switch configuration.listen {
    case .udp: return Set(remotes.map(\.address.family))
    case .tcp(nil, _): return available
    case .tcp(let address?, _):
      guard available.contains(address.family) else {
        throw .familyUnavailable(option: "--local", target: "\(address)", family: address.family)
      }
      return [address.family]
    }
  }

  /// Names options that change nothing, as their family is not carried.
  private static func warnOfUnused(
    _ configuration: GatewayConfiguration, _ families: Set<AddressFamily>, _ log: Logger
  ) {
    let requests = [(AddressFamily.ipv4, configuration.tunIPv4, ""), (.ipv6, configuration.tunIPv6, "6")]
    for (family, request, suffix) in requests where request.isExplicit && !families.contains(family) {
      log.warning(
        "'--tun-local\(suffix)' and '--tun-peer\(suffix)' are of no use: this tunnel carries no \(family)")
    }
  }

  static func checkRemote(_ address: Address, _ role: Role) throws(SetupError) {
    if address.isUnspecified { throw .remoteUnusable(address, kind: "the unspecified address") }
    if address.isMulticast { throw .remoteUnusable(address, kind: "a multicast or broadcast address") }
    if address.isLinkLocal, !address.isIPv4 {
      throw .remoteUnusable(address, kind: "a link-local address, which each link has its own of")
    }
    if role == .client, address.isLoopback { throw .remoteLoopback(address) }
  }

  /// Opens a socket as a flow will, which says best whether it can.
  private static func check(source: Address, to service: Endpoint) throws(SetupError) {
    guard source.family == service.address.family else {
      throw .sourceFamily(source, service: service.address)
    }
    do throws(KernelError) {
      close(try UDPSocket.connected(to: service, from: source, offload: false))
    } catch {
      switch error.errno {
      case EADDRNOTAVAIL: throw .sourceMissing(source)
      default: throw .sourceUnusable(source, error)
      }
    }
  }

  // MARK: - The rest

  private static func placement(
    _ configuration: GatewayConfiguration, _ remote: Endpoint, _ families: Set<AddressFamily>, _ log: Logger
  ) throws(SetupError) -> Placement {
    let near = { () -> (node: Int, cpus: [Int])? in
      let device =
        switch configuration.role {
        case .client: HostNetwork.egressDevice(to: remote.address, mark: configuration.mark)
        case .server: HostNetwork.defaultRouteDevice(families)
        }
      return device.flatMap { HostCPUs.near(device: $0) }
    }
    return try Placement.choose(configuration, .current(), near: near, log)
  }

  private static func handshakePacket(
    _ configuration: GatewayConfiguration, mtu: Int, families: Set<AddressFamily>
  ) throws(SetupError) -> [UInt8] {
    guard let path = configuration.handshakePacketPath else { return [] }
    let bytes: [UInt8]
    do {
      bytes = try TextFile.read(path)
    } catch {
      throw .fileUnreadable(path: path, errno: error.errno)
    }
    let limit = mtu - (families.map(\.headerBytes).max() ?? 0)
    guard (1...limit).contains(bytes.count) else {
      throw .handshakePacketUnusable(path: path, bytes: bytes.count, limit: limit)
    }
    return bytes
  }
}
