/// The hosts of a test, and the addresses they know each other by.
///
///     pair      client eth0 ───────────────────────────── eth0 server
///                10.66.1.1                             10.66.1.2
///                fd66:1::1                             fd66:1::2
///
///     routed    client eth0 ──── inside router outside ──── eth0 server
///                10.66.1.1   10.66.1.254   10.66.2.254   10.66.2.2
///                fd66:1::1   fd66:1::fe    fd66:2::fe    fd66:2::2
///
/// With NAT the router masquerades what leaves to the outside, so that the server sees 10.66.2.254.
/// On the client: application ─ udp ─ guise client ─ TUN ─ masquerade ─ eth0.
/// On the server: eth0 ─ DNAT ─ TUN ─ guise server ─ udp ─ service.
struct Topology: Sendable {
  let client: Namespace
  let router: Namespace?
  let server: Namespace
  let clientAddress4 = "10.66.1.1"
  let clientAddress6 = "fd66:1::1"
  let serverAddress4: String
  let serverAddress6: String

  private init(client: Namespace, router: Namespace?, server: Namespace) {
    self.client = client
    self.router = router
    self.server = server
    serverAddress4 = router == nil ? "10.66.1.2" : "10.66.2.2"
    serverAddress6 = router == nil ? "fd66:1::2" : "fd66:2::2"
  }

  /// Two hosts on one cable, for as long as `body` runs.
  static func pair(_ body: (Topology) async throws -> Void) async throws {
    try await make(hosts: 2) { hosts in
      let (client, server) = (hosts[0], hosts[1])
      try await Namespace.link(
        client, "eth0", ["10.66.1.1/24", "fd66:1::1/64"], server, "eth0", ["10.66.1.2/24", "fd66:1::2/64"])
      try await body(Topology(client: client, router: nil, server: server))
    }
  }

  /// Two hosts with a router between them, which translates addresses when `nat`.
  static func routed(nat: Bool, _ body: (Topology) async throws -> Void) async throws {
    try await make(hosts: 3) { hosts in
      let (client, router, server) = (hosts[0], hosts[1], hosts[2])
      try await Namespace.link(
        client, "eth0", ["10.66.1.1/24", "fd66:1::1/64"],
        router, "inside", ["10.66.1.254/24", "fd66:1::fe/64"])
      try await Namespace.link(
        router, "outside", ["10.66.2.254/24", "fd66:2::fe/64"],
        server, "eth0", ["10.66.2.2/24", "fd66:2::2/64"])
      try router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
      for (host, subnet) in [(client, 1), (server, 2)] {
        try host.ip("route", "add", "default", "via", "10.66.\(subnet).254")
        try host.ip("-6", "route", "add", "default", "via", "fd66:\(subnet)::fe")
      }
      if nat {
        try router.load(
          rules: """
            table inet nat {
              chain postrouting {
                type nat hook postrouting priority srcnat
                oifname "outside" masquerade
              }
            }
            """)
      }
      try await body(Topology(client: client, router: router, server: server))
    }
  }

  /// One host that talks to itself, for as long as `body` runs.
  static func lone(_ body: (Namespace) async throws -> Void) async throws {
    try await make(hosts: 1) { try await body($0[0]) }
  }

  /// Makes namespaces and removes them and every program in them, whatever `body` does.
  private static func make(hosts: Int, _ body: ([Namespace]) async throws -> Void) async throws {
    var namespaces: [Namespace] = []
    defer {
      Transcript.current?.killAll()
      for namespace in namespaces { namespace.remove() }
    }
    for _ in 0..<hosts { namespaces.append(try Namespace()) }
    try await body(namespaces)
  }
}
