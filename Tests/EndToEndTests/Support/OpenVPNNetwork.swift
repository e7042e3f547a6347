/// Two OpenVPN that speak UDP to each other through a tunnel, with TLS and certificates of their own.
enum OpenVPNNetwork {
  private static let clientAddress = "10.78.0.1"
  static let serverAddress = "10.78.0.2"

  static func up(through tunnel: Tunnel) async throws {
    let net = tunnel.net
    let client = try Identity(of: net.client)
    let server = try Identity(of: net.server)
    let service = try SocketName(Tunnel.service)
    let entrance = try SocketName(Tunnel.entrance)
    // OpenVPN lets TCP inside fill datagrams of 1464 bytes by default; 1440 fit over IPv6 too.
    let common = ["openvpn", "--dev", "tun", "--proto", "udp4", "--verb", "3", "--mssfix", "1440"]
    let ends = [
      try net.server.start(
        common + server.arguments + [
          "--tls-server", "--dh", "none", "--peer-fingerprint", client.fingerprint, "--local", "127.0.0.1",
          "--lport",
          "\(service.port)", "--ifconfig", serverAddress, clientAddress,
        ]),
      try net.client.start(
        common + client.arguments + [
          "--tls-client", "--peer-fingerprint", server.fingerprint, "--nobind", "--remote", "127.0.0.1",
          "\(entrance.port)", "--ifconfig", clientAddress, serverAddress,
        ]),
    ]
    for end in ends {
      try await until("OpenVPN to be up", within: .seconds(30)) {
        if let exit = end.poll() {
          throw CommandFailure(description: "openvpn ended with \(exit): \(end.output)")
        }
        return end.output.contains("Initialization Sequence Completed")
      }
    }
  }

  private struct Identity {
    let arguments: [String]
    let fingerprint: String

    init(of host: Namespace) throws {
      let certificate = try Certificate(of: host)
      fingerprint = try certificate.fingerprint
      arguments = ["--key", certificate.keyFile, "--cert", certificate.file]
    }
  }
}
