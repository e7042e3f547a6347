/// One fake TCP flow: protocol state, its UDP side, and links into the worker's tables. Does no IO.
///
/// Owned by exactly one worker. Trivial, so that a table of them is plain memory; all zero means free.
struct Flow: BitwiseCopyable {
  enum State: UInt8 {
    case free
    /// The client has sent a SYN and waits for SYN|ACK.
    case synSent
    /// The client has got SYN|ACK, and nothing since. Few bytes may be in flight yet: see
    /// `Limits.firstFlightBytes`.
    case unconfirmed
    case established
    /// Client: established, but the path does not answer any more. Datagrams wait until it does, or until
    /// another flow takes this one's place.
    case suspended
  }

  /// Why a flow ends.
  enum CloseReason {
    case idle
    case resetByPeer
    case unanswered
    case refused
    /// Another flow of the same UDP side has taken its place.
    case replaced
    /// There was no room, and it had been silent longest.
    case displaced
    /// An operator wanted it.
    case asked
    /// The gateway itself ends.
    case shutdown
  }

  /// No index: of a train, a buffer, or a flow.
  static let noTrain = TrainID.max
  static let noBuffer = BufferID.max
  static let noFlow = UInt32.max

  // The first cache line is what a datagram of an established flow touches, the second what a segment or a
  // search for the UDP side touches besides, the third is for the rest (`FlowTable`, FlowLayoutTests).

  /// The TCP side. Local: our address behind TUN.
  var key: FlowKey
  /// Start of the next segment we send.
  var sendNext: SequenceNumber
  /// What the next segment from the other end is expected to start with.
  var receiveNext: SequenceNumber
  /// The ack field of what we send: moves in steps, so that GRO at the other end can merge.
  var acknowledged: SequenceNumber
  var state: State
  /// Which way its last arrivals went.
  var course: Course
  /// Tells this flow's completions from those of the flow that had the slot before.
  var generation: UInt16
  /// The open train of the current batch, to TUN.
  var uplinkTrain: TrainID
  /// Largest payload of one segment on this path, in bytes.
  var segmentBytesMax: UInt16
  /// When the last datagram went either way, CLOCK_MONOTONIC nanoseconds.
  var lastActivity: UInt64

  /// The UDP side. Client: the application's endpoint, the address it spoke to and, in place of a local port,
  /// the number of the connection. Server: the service, and the address and port of the flow's own socket.
  var peer: FlowKey
  /// The open train of the current batch, to UDP.
  var downlinkTrain: TrainID
  /// Datagrams that wait for the handshake, a list through the buffer pool.
  var pendingHead: BufferID
  /// When outstanding bytes must be acknowledged, or the first that come; CLOCK_MONOTONIC nanoseconds, 0 when none are.
  var ackDueAt: UInt64
  /// What was last heard of the other end.
  var liveness: Liveness

  /// What a flow file knows this flow by (`FlowRecord`); 0 until key and peer are what they will be.
  var seal: UInt32
  var pendingBytes: Int32
  /// Bytes that may still be sent while `unconfirmed`.
  var firstFlightLeft: Int32
  var pendingTail: BufferID
  var pendingCount: UInt16
  /// Counts SYNs sent.
  var tries: UInt8
  /// After how many of them the handshake has failed.
  var triesMax: UInt8
  /// How often the time between two tries has doubled, while nothing waits.
  var backoff: UInt8
  /// Whether the last SYN was answered by a reset.
  var isRefused: Bool
  /// Whether a datagram that was too large for the present limit has been reported.
  var hasReportedSize: Bool
  /// Client: which of the servers the flow goes to, by its place in the plan.
  var target: UInt8
  /// Client: servers that have not answered this flow's first handshake.
  var failedTargets: UInt8
  /// Client: the flow that shall take this one's place, or whose place this one shall take.
  var partner: UInt32
  /// Whether `strayEnd` is that of a segment.
  var hasStray: Bool
  /// Whether it counts among its source's (`SourceCounts`).
  var isCounted: Bool

  /// When the next SYN or the give-up is due (`synSent`), when waiting for a first segment is over
  /// (`unconfirmed`), or when the path is to be looked at again; CLOCK_MONOTONIC nanoseconds.
  var retryAt: UInt64
  /// When the last SYN went (`synSent`), or when datagrams began to go again after a pause; CLOCK_MONOTONIC
  /// nanoseconds.
  var since: UInt64
  /// When a limit that the path has lowered may be forgotten, CLOCK_MONOTONIC nanoseconds; 0 when it is the
  /// original one.
  var limitEndsAt: UInt64
  /// When a segment that may be forged is next worth an answer, CLOCK_MONOTONIC nanoseconds.
  var challengeAt: UInt64
  /// Where a segment ended that was not plausible (Flow+Window.swift).
  var strayEnd: SequenceNumber

  /// What we had sent when we last lost the other end's place (Flow+Place.swift).
  var placeLostAt: SequenceNumber

  // For whoever asks after the flow; but for the two times at the end, nothing here is decided by them.

  /// CLOCK_MONOTONIC nanoseconds.
  var openedAt: UInt64
  /// When a probe went that is yet to be answered and had no other before it; 0 when there is none.
  var probedAt: UInt64
  /// How long the answer to the last SYN took, and that to the last such probe, in microseconds; 0 where nobody
  /// has measured it.
  var handshakeMicroseconds: UInt32
  var probeMicroseconds: UInt32

  /// A flow of no state yet.
  init(key: FlowKey, peer: FlowKey, generation: UInt16, segmentBytesMax: Int, now: UInt64) {
    self.key = key
    self.peer = peer
    self.generation = generation
    self.segmentBytesMax = UInt16(segmentBytesMax)
    limitEndsAt = 0
    seal = 0
    sendNext = SequenceNumber(0)
    receiveNext = SequenceNumber(0)
    acknowledged = SequenceNumber(0)
    state = .free
    tries = 0
    triesMax = Limits.synTries
    backoff = 0
    isRefused = false
    target = 0
    failedTargets = 0
    partner = Self.noFlow
    liveness = Liveness(now: now)
    course = Course(to: .downlink)
    hasReportedSize = false
    hasStray = false
    isCounted = false
    strayEnd = SequenceNumber(0)
    placeLostAt = SequenceNumber(0)
    uplinkTrain = Self.noTrain
    downlinkTrain = Self.noTrain
    pendingHead = Self.noBuffer
    pendingTail = Self.noBuffer
    pendingCount = 0
    pendingBytes = 0
    firstFlightLeft = 0
    lastActivity = now
    retryAt = 0
    since = now
    ackDueAt = 0
    challengeAt = 0
    openedAt = now
    probedAt = 0
    handshakeMicroseconds = 0
    probeMicroseconds = 0
  }

  /// A segment of this flow without payload, as things stand.
  func control(_ flags: TCPFlags) -> SegmentHeader {
    SegmentHeader(key: key, sequence: sendNext, acknowledgement: acknowledged, flags: flags)
  }

  /// How stock closes: one bare RST, ack 0.
  var reset: SegmentHeader {
    SegmentHeader(key: key, sequence: sendNext, acknowledgement: SequenceNumber(0), flags: .rst)
  }

  /// Bytes received and not yet acknowledged; negative after the other end jumped back.
  var unacknowledged: Int { receiveNext - acknowledged }
}

/// What a flow wants done after a segment or a tick. The worker does it; the flow does no IO.
struct Reaction {
  enum Effect: Equatable {
    case none
    /// The segment's payload goes to the UDP side.
    case deliver
    /// The handshake is complete.
    case established
    case close(Flow.CloseReason)
    case drop(DropReason)
    /// The reply asks the other end for a sign of life.
    case probe
    /// Such a sign came, and nothing with it.
    case probeAnswered
    /// The same, after several that were not answered: the flow needs another in its place.
    case suspended
  }
  var effect: Effect = .none
  var reply: SegmentHeader?
  /// Datagrams that waited may go, as far as the state lets them.
  var releasesHeld = false
  /// The flow's next deadline came nearer: the timer has to be set anew.
  var deadlineMoved = false
}
