/// Which end of the fake TCP flow a gateway is.
package enum Role: Sendable, Equatable {
  /// UDP datagrams come in on a port of ours; flows are opened actively.
  case client
  /// TCP flows come in on a port of ours; each gets a connected UDP socket.
  case server
}

/// Which kernel interface carries the packets.
package enum EngineKind: String, Sendable, CaseIterable {
  case uring = "io_uring"
  case epoll
}

/// Everything the data plane needs to know, decided before the first packet.
package struct GatewayPlan: Sendable {
  package let role: Role
  package var engine: EngineKind = .uring

  /// Client: the server's TCP endpoint. Server: the UDP service's endpoint.
  package var remote: Endpoint
  /// Client: servers to go to when `remote` does not answer, in order.
  package var fallbacks: [Endpoint] = []
  package static let remotesMax = Limits.remotesMax
  /// Server: the TCP port of the flows as they arrive at the TUN device. Client: unused.
  package var listenPort: UInt16 = 0

  /// One descriptor per worker, a queue of the same device each (see `TunDevice`). Owned from here on.
  package let tunQueues: [Int32]
  /// The CPU that each worker's thread stays on, by its number; empty when the scheduler decides.
  package var cpus: [Int] = []
  /// Client: one bound `SO_REUSEPORT` socket per worker (see `UDPSocket.bound`). Owned from here on.
  package var udpSockets: [Int32] = []

  /// Client: the highest TCP source port that flows may have.
  package var sourcePortMax = UInt16(PortSpace.last)

  /// The addresses that our TCP end has on the far side of the TUN device (stock's `--tun-peer`).
  package var tunAddress4: Address?
  package var tunAddress6: Address?

  /// Server: addresses of this host that its flows' UDP sockets leave from in turn; empty: the route's.
  package var sources: [Address] = []

  /// Largest IP packet in bytes that the TUN device and the egress link take.
  package var mtu = 1500
  package var idleTimeoutSeconds = Self.idleTimeoutDefault
  package static let idleTimeoutDefault = 180
  /// Client: how long a flow may be silent before the server is asked for a sign of life; 0: for ever.
  package var keepaliveSeconds = Self.keepaliveDefault
  package static let keepaliveDefault = Limits.keepaliveSeconds
  /// Longest interval of a busy worker's wake-ups, in microseconds; 0 for none (see `Moderation`).
  package var moderationMicroseconds = Self.moderationDefault
  package static let moderationDefault = Limits.moderationMicroseconds
  /// How long a worker in conversation polls before it sleeps, in microseconds; 0 for not at all (see `Pace`).
  package var pollMicroseconds = Self.pollDefault
  package static let pollDefault = Limits.pollMicroseconds
  /// Client: over how many TCP flows the datagrams of each UDP source are spread.
  package var connections = 1
  /// Client: whether the datagrams of each source come to all workers in turn, so that each has its share of the flows.
  package var sharesSources = false
  package static let connectionsRange = 1...Limits.connectionsMax
  /// The first data segment after each handshake; empty for none.
  package var handshakePacket: [UInt8] = []
  /// Whether the TUN device takes and gives super-packets (TUNSETOFFLOAD succeeded).
  package var offload = true
  /// Gives up privileges; called on each worker's thread once it has opened what it needs.
  package var confineWorker: @Sendable () throws(KernelError) -> Void = {}
  /// Most flows at once, over all workers.
  package var flowCountMax = Limits.flowsPerAddress
  /// Server: most flows of one source address, and most new ones in a second, over all workers; nil for any
  /// number.
  package var flowsPerSource: Int?
  package var newFlowsPerSecond: Int?
  package static let flowCountRange = 1...Limits.flowCountMax

  /// What a server's addresses towards the service have ports for, within what a table can hold.
  package static func flowCountMax(sources: Int) -> Int {
    min(Limits.flowsPerAddress * max(sources, 1), Limits.flowCountMax)
  }

  /// Which worker each flow belongs to.
  package let owners: FlowOwners
  /// What the cookies of handshakes are made with.
  package var cookieKey = FlowFileHeader.CookieKey.random()
  /// Where flows outlive the process, if they shall: made for as many workers, and `flowsPerWorker`.
  package var flowFile: FlowFile?
  /// Flows of a process that was here before, to go on with.
  package var resumed: [FlowRecord] = []

  package init(role: Role, remote: Endpoint, tunQueues: [Int32]) {
    self.role = role
    self.remote = remote
    self.tunQueues = tunQueues
    owners = .random(role, workerCount: tunQueues.count)
  }

  package var workerCount: Int { tunQueues.count }

  /// Source ports that a client's flows may have between them.
  package var sourcePortCount: Int { Int(sourcePortMax) - PortSpace.first + 1 }

  /// Most flows that one worker has room for: several do not share them evenly.
  package var flowsPerWorker: Int {
    guard workerCount > 1 else { return flowCountMax }
    return min(flowCountMax * 5 / 4 / workerCount + 256, flowCountMax)
  }
}
