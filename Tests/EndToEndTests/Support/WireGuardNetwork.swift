import Glibc

/// Two wireguard-go that speak to each other through a tunnel: the client's to its entrance, the server's in the
/// place of its service.
///
///     client 10.77.0.1 ─ wireguard-go ─ 127.0.0.1:1234 ═ tunnel ═ 127.0.0.1:5000 ─ wireguard-go ─ 10.77.0.2 server
struct WireGuardNetwork: Sendable {
  static let clientAddress = "10.77.0.1"
  static let serverAddress = "10.77.0.2"

  private let client: Namespace
  private let clientDevice: String
  private let serverKey: String

  static func up(through tunnel: Tunnel) async throws -> WireGuardNetwork {
    let net = tunnel.net
    // Where wireguard-go listens for `wg`, and the device's name in that, is shared by all namespaces.
    let (clientDevice, serverDevice) = ("wgc\(getpid())", "wgs\(getpid())")
    let clientKeys = try Keys(of: net.client)
    let serverKeys = try Keys(of: net.server)
    for (host, device, address) in [
      (net.client, clientDevice, clientAddress), (net.server, serverDevice, serverAddress),
    ] {
      // `wg` would remove a socket that does not listen yet, so nobody may ask before it says that it does.
      let program = try host.start(["env", "LOG_LEVEL=verbose", "wireguard-go", "--foreground", device])
      try await until("wireguard-go to make \(device)", within: .seconds(10)) {
        program.output.contains("UAPI listener started")
      }
      try host.add("\(address)/24", to: device)
      try host.ip("link", "set", device, "mtu", "1420", "up")
    }
    try net.server.run(
      "wg", "set", serverDevice, "private-key", serverKeys.privateFile, "listen-port",
      "\(try SocketName(Tunnel.service).port)", "peer", clientKeys.publicKey, "allowed-ips",
      "\(clientAddress)/32")
    try net.client.run(
      "wg", "set", clientDevice, "private-key", clientKeys.privateFile, "peer", serverKeys.publicKey,
      "allowed-ips", "\(serverAddress)/32", "endpoint", Tunnel.entrance)
    return WireGuardNetwork(client: net.client, clientDevice: clientDevice, serverKey: serverKeys.publicKey)
  }

  func hasShakenHands() throws -> Bool {
    let times = try client.run("wg", "show", clientDevice, "latest-handshakes")
    return times.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) } ?? 0 > 0
  }

  /// Lets all that the client sends go into the tunnel, but what has the mark: as wg-quick(8) does it where the
  /// peer's AllowedIPs are 0.0.0.0/0.
  func takeDefaultRoute(exceptMark mark: String) throws {
    try client.run(
      "wg", "set", clientDevice, "fwmark", mark, "peer", serverKey, "allowed-ips", "0.0.0.0/0")
    try client.ip("route", "add", "default", "dev", clientDevice, "table", mark)
    try client.ip("rule", "add", "not", "fwmark", mark, "table", mark)
    try client.ip("rule", "add", "table", "main", "suppress_prefixlength", "0")
    try client.run("sysctl", "-qw", "net.ipv4.conf.all.src_valid_mark=1")
  }

  private struct Keys {
    let privateFile: String
    let publicKey: String

    init(of host: Namespace) throws {
      let key = try host.run("wg", "genkey")
      privateFile = try host.file("wireguard.key", Array(key.utf8))
      publicKey = String(
        try host.run("sh", "-c", "wg pubkey < \(privateFile)").prefix { !$0.isWhitespace })
    }
  }
}
