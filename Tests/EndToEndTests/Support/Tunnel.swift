/// A client and a server gateway that carry datagrams from `entrance` on the client's host to `service`
/// on the server's.
struct Tunnel: Sendable {
  /// What the fake TCP travels over.
  enum Transport: String, Sendable { case ipv4, ipv6 }

  let net: Topology
  let client: Gateway
  let server: Gateway

  /// Where applications on the client's host send to.
  static let entrance = "127.0.0.1:1234"
  /// Where the service on the server's host listens.
  static let service = "127.0.0.1:5000"
  /// The server's TCP port.
  static let port = 4567

  /// Starts both ends, the server first.
  static func up(
    on net: Topology, _ variant: Variant = .plain, over transport: Transport = .ipv4,
    clientOptions: [String] = [], serverOptions: [String] = []
  ) async throws -> Tunnel {
    let server = try await Gateway.start(serverArguments + variant.arguments + serverOptions, in: net.server)
    let client = try await Gateway.start(
      clientArguments(on: net, over: transport) + variant.arguments + clientOptions, in: net.client)
    return Tunnel(net: net, client: client, server: server)
  }

  static let serverArguments = ["server", "--local", "\(port)", "--remote", service]

  static func clientArguments(on net: Topology, over transport: Transport = .ipv4) -> [String] {
    let remote =
      switch transport {
      case .ipv4: "\(net.serverAddress4):\(port)"
      case .ipv6: "[\(net.serverAddress6)]:\(port)"
      }
    return ["client", "--local", entrance, "--remote", remote]
  }

  var ends: [Gateway] { [client, server] }

  /// An application's socket, and the service's.
  func application() throws -> DatagramSocket { try .connected(to: Self.entrance, in: net.client) }
  func listener() throws -> DatagramSocket { try .bound(to: Self.service, in: net.server) }

  /// A service that sends everything back, until the test ends.
  @discardableResult
  func echoService() async throws -> ChildProcess { try await Load.echo(in: net.server, at: Self.service) }
}
