/// Every bound of the data plane, with the arithmetic that gave it.
package enum Limits {
  // Packets.

  /// Largest IP packet: the 16-bit total length of RFC 791.
  static let packetLengthMax = 65_535
  /// Room in front of every received datagram: `io_uring_recvmsg_out` (16), name (32), control (64).
  /// The vnet, IP and TCP header, 76 bytes at most, are later written over its end.
  package static let headroom = 112
  package static let nameRoom = 32
  package static let controlRoom = headroom - 16 - nameRoom
  /// Distance between receive buffers. More than headroom + 65 507 bytes of the largest datagram and more
  /// than 12 + 65 535 of the largest packet; 24 cache lines beyond 64 KiB, so that the fronts of the
  /// buffers, which is all that small datagrams touch, spread over the cache's sets.
  package static let bufferStride = 65_536 + 1_536

  // Trains.

  /// Most segments in one train: `UDP_MAX_SEGMENTS` of kernels before 6.9.
  static let trainSegmentsMax = 64
  /// Most payload bytes in one train: an IPv4 super-packet with two bare headers.
  static let trainBytesMax = packetLengthMax - IPv4Header.length - TCPHeader.length
  /// Trains of a worker that can be open or in flight at once: one for each arrival of the largest turn and of the one
  /// before.
  static let trainCount = 1_024

  // Moderation (docs/decisions/0006-moderation.md).

  /// How often the rate of streams is measured.
  static let moderationWindowNanoseconds: UInt64 = 1_000_000
  /// Arrivals that should come between two wake-ups: two trains of full datagrams, or more of less.
  static let moderationBatch: UInt64 = 96
  /// Arrivals in the longest interval below which none is waited for: of datagrams by themselves, or large trains, and of
  /// small trains.
  static let moderationArrivalsMin: UInt64 = 5
  static let moderationTrainsMin: UInt64 = 3
  /// Datagrams in a train that is worth a wake-up of its own.
  static let moderationTrainLarge = 16
  /// Arrivals in a turn that show that more may wait: as many as io_uring's multishot receive takes before
  /// it lets others take their turn (`MULTISHOT_MAX_RETRY` in io_uring/net.c, and the first).
  static let moderationBatchFull = 33
  /// The longest interval between them by default.
  static let moderationMicroseconds = 400
  /// How long a worker in conversation polls by default.
  static let pollMicroseconds = 100
  /// How long after a delivery a resting worker looks for its answer: what a local program takes to wake and to answer.
  static let answerNanoseconds: UInt64 = 60_000
  /// Occasions until that, or polling, is tried again after attempts in vain, at most.
  static let attemptPauseMax: UInt8 = 63
  /// Arrivals that make a rest needless when they are there before it has begun.
  static let restArrivalsMax: UInt32 = 16
  /// Arrivals, and their bytes, after which io_uring looks for no more in a turn: what a rest lets come and a third
  /// more, and no more of the trains that senders hand over, so that none keeps the other flows waiting.
  static let turnArrivalsMax: UInt32 = 128
  static let turnBytesMax = 384 * 1024
  /// How many times as much a turn takes where many flows take turns and more waits (docs/decisions/0024-turn-depth.md).
  static let turnDepthMax = 4
  /// Arrivals in a turn that show that more may wait there: as many packets as epoll reads from TUN in one.
  static let turnArrivalsBehind = 64
  /// Datagrams in a train below which it is worth a try to have longer ones.
  static let shortTrain = 6
  /// What is waited for longer than this ends a pause of its stream. At first, what follows it has as long to come.
  static let pauseNanoseconds: UInt64 = 40_000
  /// A shorter sleep is not worth its wake-up.
  static let lingerNanosecondsMin: UInt64 = 10_000

  // Buffers of a worker. Untouched ones take address space, not memory.

  /// How many buffers of a class an engine has to receive into at least; with io_uring, doubled each time they did not
  /// suffice.
  static let lentBufferCountMin = 16
  /// Bytes of a class that an engine receives before it deals with them. They are copied from the kernel's memory and to
  /// others of its pages, so that three times as many meet in a core's own cache, of 1 MiB or more.
  static let budgetBytes = 256 * 1024
  /// After so many turns in which a quarter would have sufficed, it has half of them.
  static let lendingWindowTurns = 256
  static let datagramBufferCount = 640
  static let packetBufferCount = 512
  /// Datagrams that wait for a handshake, over all flows of a worker.
  static let pendingBufferCount = 2_048
  /// Packets lent by other workers at once.
  static let foreignBufferCount = 512

  // Flows.

  /// TCP flows that one UDP source can be spread over.
  static let connectionsMax = 64
  /// For how many times as long as a refused socket took no other is asked for: the kernel looks through 16 000 ports in
  /// 1.7 ms, so that a worker spends a twentieth of its time on that.
  static let refusalTimes: UInt64 = 20
  /// Flows that one address of ours has ports for.
  static let flowsPerAddress = 65_536
  /// Most flows of a gateway: a ring's file table has room for 2^20 (`IORING_MAX_FIXED_FILES`), its own
  /// descriptors included.
  static let flowCountMax = 1_000_000

  /// Datagrams and bytes that wait for one flow's handshake.
  static let pendingDatagramsPerFlow = 512
  static let pendingBytesPerFlow = 512 * 1024
  /// What a client sends before it has heard more than SYN|ACK. Until a segment that is not a SYN comes
  /// back, conntrack holds the flow to the SYN|ACK's unscaled window; and it calls that segment INVALID,
  /// too, if its ack lies more than 66 000 bytes behind what it has let pass (`MAXACKWINDOW`).
  static let firstFlightBytes = 48 * 1024
  /// The shortest time to wait for that first segment: a stock server may never send one.
  static let confirmationNanosecondsMin: UInt64 = 250_000_000
  /// Handshake: one SYN each second, then give up (stock waits 6 s in all).
  static let synTries: UInt8 = 6
  static let synIntervalNanoseconds: UInt64 = 1_000_000_000
  /// SYNs to one server where there is something else to try: another server, another port.
  static let synTriesOfSuccessor: UInt8 = 3
  /// Times that the interval of tries doubles while nothing waits: up to 64 s.
  static let backoffMax: UInt8 = 6
  /// How long a client waits after a SYN was answered by a reset.
  static let refusalNanoseconds: UInt64 = 100_000_000

  /// How long a worker waits for the UDP ports of a killed process: with io_uring, the kernel is done with
  /// its sockets 50 to 75 ms after its end.
  static let resumptionNanoseconds: UInt64 = 200_000_000
  static let resumptionStepNanoseconds: UInt64 = 1_000_000

  /// Deadlines that one turn deals with: as many packets of its own as it reads of others.
  static let expirationsPerTurn = 64
  /// Flows that a worker tells of at once to whoever asks, and slots that it looks through for them: some 20 us
  /// at most.
  static let summariesPerRequest = 256
  static let slotsPerRequest = 1_024
  /// How many arrivals ahead a flow's memory is fetched. One takes a worker about 50 ns and memory 150 ns
  /// (`bench/scale/build.sh`, docs/SCALING.md).
  static let prefetchDistance: UInt32 = 4
  /// Segments whose index entries, and then flows, are fetched together: as many misses as a core has under way at
  /// once, and few enough that what came first is still in the nearest cache when its turn comes.
  static let segmentBatchCount = 16
  /// Flows that a core's second-level cache of 512 KiB has room for, at 256 bytes: fewer are not fetched ahead.
  static let cachedFlowCount = 2_048

  // Acknowledgements (docs/decisions/0003-acknowledgements.md).

  /// The ack field of outgoing data moves when this many bytes are unacknowledged.
  static let ackStepBytes = 256 * 1024
  /// A pure ACK is sent when nothing went the other way and this many bytes are unacknowledged.
  static let pureAckBytes = 1024 * 1024
  /// Or when the oldest unacknowledged byte is this old.
  static let ackDelayNanoseconds: UInt64 = 1_000_000_000
  /// How long before that outgoing data acknowledges it instead.
  static let ackPiggybackNanoseconds = ackDelayNanoseconds / 2
  /// After so long without a datagram either way, and first of all on a flow, any outgoing data does.
  static let ackPauseNanoseconds = ackPiggybackNanoseconds
  /// How much longer a client waits for data to send, since no server watches for its acknowledgements: longer than
  /// most programs are silent that keep a mapping alive (25 s), and a tenth of what conntrack has patience for
  /// (`nf_conntrack_tcp_timeout_unacknowledged`).
  static let ackPatienceNanoseconds: UInt64 = 29_000_000_000
  /// How far back a late segment may lie without moving `receiveNext` back.
  static let reorderingBytesMax = 16 * 1024 * 1024
  /// How far from the place that we know a reset's numbers may lie and still mean something.
  static let resetWindowBytes = 16 * 1024 * 1024
  /// How far ahead of the place that we know data may begin and still confirm it: what is lost at once where a queue
  /// overflows. A blind forger meets it once in 16 384 tries.
  static let steadyGapBytes = 256 * 1024
  /// Data segments in a row that must acknowledge what had been sent when the place was lost before a reset at their end
  /// is believed.
  static let steadySegments: UInt8 = 32
  /// The shortest time between two challenges to segments that would end a flow (RFC 5961 §7).
  static let challengeIntervalNanoseconds: UInt64 = 100_000_000

  // Liveness (docs/decisions/0040-liveness.md).

  /// How long datagrams may go unanswered. Our own server acknowledges after `ackDelayNanoseconds`, a slot of
  /// the timer wheel and a round trip.
  static let silenceNanoseconds: UInt64 = 1_500_000_000
  /// The same towards an end that did not answer probes.
  static let muteNanoseconds: UInt64 = 60_000_000_000
  /// Probes until the path is given up, and the time between them: 4 s of silence in all.
  static let probeTries: UInt8 = 5
  static let probeIntervalNanoseconds: UInt64 = 500_000_000
  /// The second one comes as soon as the first has gone unanswered for so many round trips, but no sooner than our own
  /// server answers again (`challengeIntervalNanoseconds`).
  static let firstProbeRoundTrips: UInt64 = 4
  static let firstProbeNanosecondsMin: UInt64 = 100_000_000
  /// How much further back each later probe reaches.
  static let probeStepBytes = 64 * 1024
  /// A flow without datagrams for so long is no longer looked at each second.
  static let quietNanoseconds: UInt64 = 1_000_000_000
  /// After this, a datagram no longer counts as a reason to open a lost flow again at once.
  static let reopeningNanoseconds: UInt64 = 2_000_000_000
  /// How long `--keepalive` is by default: well under the shortest time after which home gateways forget an
  /// idle TCP connection, 239 s (Hätönen et al., IMC 2010, §4.1.3), with room for several losses.
  package static let keepaliveSeconds = 60
  /// How many servers a client may be given.
  package static let remotesMax = 8
  /// How often a server that is preferred to the present one is tried.
  static let failbackNanoseconds: UInt64 = 10_000_000_000
  // Strangers and floods (docs/decisions/0046-floods.md).

  /// How far ahead of its place a segment may lie, and how far back what it acknowledges: what 10 Gbit/s carry
  /// in 0.2 s.
  static let plausibleBytes = 256 * 1024 * 1024
  /// How far two segments that are not plausible may lie apart to confirm each other.
  static let strayGapBytes = 1024 * 1024
  /// Resets that a worker sends to strangers in a second.
  static let resetsPerSecond = 1_000
  /// How long a flow must have been silent to make room for another: programs that care speak more often, as
  /// WireGuard does every 25 s at its customary setting.
  static let displacementNanoseconds: UInt64 = 30_000_000_000
  /// How many flows are looked at for one that may go.
  static let displacementTries = 64

  // Path MTU (Flow+PathMTU.swift).

  /// What an ICMP error must claim at least to be believed: Linux's `min_pmtu` for IPv4, far below what
  /// any link in use has; RFC 8200 §5 for IPv6.
  static let pathMTUMinIPv4 = 552
  static let pathMTUMinIPv6 = 1_280
  /// How long ago, in bytes sent since, a segment may have been sent that an ICMP error quotes: 40 ms at
  /// 3 Gbit/s.
  static let quotedWindowBytes = 16 * 1024 * 1024
  /// The same where whoever has not seen the flow knows how much a client can have sent at most: one train.
  static let guessableQuoteBytes = 64 * 1024
  /// After this, the larger size is tried again (RFC 1191 §6.3).
  static let pathMTUNanoseconds: UInt64 = 600_000_000_000

  // Hand-off.

  /// Entries of the ring between an ordered pair of workers.
  static let handoffRingCapacity = 1_024
  /// Packet buffers that other workers may have at once. A worker goes on reading with the rest, whatever
  /// the others do, so none waits for buffers to come home.
  static let lentPacketsMax = packetBufferCount * 3 / 4
  static let workerCountMax = 256

  /// How often a worker tells the log that there is no room for new flows.
  static let fullReportNanoseconds: UInt64 = 1_000_000_000

  /// The relations between the bounds, checked when a worker starts.
  static func assertRelations() {
    precondition(headroom >= SegmentHeader.lengthMax)
    precondition(bufferStride >= headroom + packetLengthMax)
    precondition(bufferStride % 64 == 0)
    precondition(budgetBytes >= 3 * bufferStride)
    precondition(firstFlightBytes < 65_535)
    precondition(pendingDatagramsPerFlow <= pendingBufferCount)
    precondition(datagramBufferCount + packetBufferCount + pendingBufferCount + foreignBufferCount < 65_535)
    // One ring carries packets of one worker and buffers that go home to the other: it is never full.
    precondition(handoffRingCapacity >= 2 * lentPacketsMax)
    precondition(lentPacketsMax < packetBufferCount)
    precondition(ackStepBytes < pureAckBytes)
    precondition(silenceNanoseconds > ackDelayNanoseconds)
    precondition(quietNanoseconds < silenceNanoseconds)
    precondition((challengeIntervalNanoseconds...probeIntervalNanoseconds).contains(firstProbeNanosecondsMin))
    precondition(Int(probeTries) * probeStepBytes < resetWindowBytes)
  }
}
