/// What every worker of a gateway knows alike. Trivial, so that each has its own copy.
struct WorkerPlan: Sendable {
  /// Client: the server. Server: the UDP service.
  var remote: Endpoint
  /// Client: all its servers, where their addresses may change; nil for `remote` alone, for good.
  var remotes: RemoteBoard?
  /// Server: the port that flows must have.
  var listenPort: UInt16
  /// Client: the highest source port.
  var sourcePortMax = UInt16(PortSpace.last)
  /// Our addresses behind TUN; unspecified where a family is not in use.
  var address4: Address
  var address6: Address
  /// Largest IP packet of the path, in bytes.
  var mtu: Int
  var idleNanoseconds: UInt64
  /// How long a flow may be silent before the other end is asked for a sign of life, 0 for ever; nil: nobody
  /// watches over flows, as at a server.
  var keepaliveNanoseconds: UInt64?
  /// Longest interval of a busy worker's wake-ups; 0 for none.
  var moderationNanoseconds: UInt64 = 0
  /// How long a worker in conversation polls before it sleeps; 0 for not at all.
  var pollNanoseconds: UInt64 = 0
  /// Most parts of an uplink train: 1 when super-packets are off.
  var segmentsPerTrainMax: Int
  /// Most parts of a downlink train: 1 when UDP_SEGMENT is off.
  var datagramsPerTrainMax: Int
  /// Client: TCP flows for each UDP source.
  var connectionCount = 1
  /// Client: whether its datagrams come to all workers in turn.
  var sharesSources = false
  /// Most flows of one worker.
  var flowCountMax: Int
  /// What holds all workers together to a number of flows; nil for one alone. Owned by the gateway.
  var flowTotal: FlowTotal?

  /// Server: most flows that one worker opens in a second; nil for any number.
  var newFlowsPerSecond: Int?
  /// Server: what holds each source address to its share; nil where nothing does. Owned by the gateway.
  var sourceCounts: SourceCounts?

  /// Alike for all workers: who owns a flow, how keys are hashed, and what a cookie is.
  var owners: FlowOwners
  var keyHash: KeyHash
  var cookie: HandshakeCookie

  /// Frees what all workers share, once they have ended.
  func deallocate() {
    remotes?.deallocate()
    sourceCounts?.deallocate()
    flowTotal?.deallocate()
  }

  var role: Role { owners.role }
  var workerCount: Int { owners.workerCount }

  /// Client: which of a source's TCP flows are a worker's. A number is that of one worker alone.
  func connections(of worker: Int) -> ConnectionShare {
    guard sharesSources else { return ConnectionShare(count: connectionCount, first: 0, step: 1) }
    let (each, rest) = connectionCount.quotientAndRemainder(dividingBy: workerCount)
    return ConnectionShare(count: max(1, each + (worker < rest ? 1 : 0)), first: worker, step: workerCount)
  }

  @inline(__always)
  func ownAddress(isIPv4: Bool) -> Address { isIPv4 ? address4 : address6 }

  /// Largest payload of one segment as a flow begins.
  @inline(__always)
  func segmentBytesMax(isIPv4: Bool) -> Int { SegmentHeader.payloadMax(mtu: mtu, isIPv4: isIPv4) }

  @inline(__always)
  func owner(of key: FlowKey) -> Int { owners.worker(of: key) }
}
