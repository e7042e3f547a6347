/// How a busy worker waits: streams let it rest, so that what arrives meanwhile crosses as trains
/// (docs/decisions/0006-moderation.md), and conversations keep it awake (docs/decisions/0019-polling.md).
///
/// A worker that is quicker than its senders would handle each datagram by itself: a wake-up and a trip
/// through the kernel's stack for every one. So, like a network card's adaptive interrupt moderation
/// (ethtool(8), `adaptive-rx`), it sends off what it has and then lets about a batch arrive before it looks
/// again. A worker that has enough to do does not rest: batches form by themselves then.
///
/// Only *streams* count for that: arrivals whose flow had its last one in the same direction. Requests and
/// answers that alternate never make a worker rest, however many flows there are, nor does a lone datagram.
/// They wait for each wake-up on their way, though: where they follow each other closely, it polls before it
/// sleeps, as a virtual machine's idle CPU does (`haltpoll` in Documentation/virt/guest-halt-polling.rst). Beside
/// streams, it looks for answers before it rests (`Answers`).
struct Moderation: BitwiseCopyable {
  /// The longest time from one wake-up to the next, in nanoseconds; 0 switches rests off.
  let intervalMax: UInt64
  /// How long to poll, in nanoseconds; 0 switches polling off.
  let pollTime: UInt64

  /// Since the window began: arrivals that continue a stream, those that turn a flow's direction, and trains
  /// that were closed.
  private var streamed = 0
  private var streamedDatagrams = 0
  private var turned = 0
  private var trains = 0
  private var windowStart: UInt64
  /// `streamed` as the last turn began.
  private var streamedBefore = 0

  /// By the window before: how to wait, and whether arrivals join to trains.
  private var current = Pace.prompt
  private var trainsForm = false

  /// Of polling, by windows.
  private var attempts = Attempts()
  private var answers = Answers()

  /// How much a turn takes.
  private(set) var depth = TurnDepth()
  /// Whether a turn of the window brought so much that more may wait.
  private var isBehind = false

  init(intervalMax: UInt64, pollTime: UInt64, now: UInt64) {
    self.intervalMax = intervalMax
    self.pollTime = pollTime
    windowStart = now
  }

  /// An arrival of so many datagrams that continues a stream.
  @inline(__always)
  mutating func noteStreamed(_ datagrams: Int) {
    streamed &+= 1
    streamedDatagrams &+= datagrams
  }

  /// An arrival whose flow had its last one in the other direction.
  @inline(__always)
  mutating func noteTurned() { turned &+= 1 }

  /// One of those, of a flow that takes turns with the last one, too.
  @inline(__always)
  mutating func noteAlternating(_ direction: Direction) { answers.note(direction) }

  /// A train that leaves, on either path.
  @inline(__always)
  mutating func noteTrain() { trains &+= 1 }

  /// At the end of a turn that brought so many.
  @inline(__always)
  mutating func noteTurn(arrivals: UInt64) {
    if arrivals >= Limits.turnArrivalsBehind { isBehind = true }
  }

  /// How the next turn is to wait, after the one that began at `now`. To be called once a turn.
  @inline(__always)
  mutating func pace(_ now: UInt64) -> Pace {
    let batch = streamed &- streamedBefore
    let elapsed = now &- windowStart
    if elapsed >= Limits.moderationWindowNanoseconds { closeWindow(now, elapsed) }
    streamedBefore = streamed
    // Where no trains form, rests save wake-ups and nothing else: a worker whose batches are full has none.
    if batch >= Limits.moderationBatchFull, !trainsForm { return .prompt }
    guard case .resting(let interval) = current else {
      answers.forget()
      return current
    }
    return answers.pace(now, resting: interval)
  }

  private mutating func closeWindow(_ now: UInt64, _ elapsed: UInt64) {
    // How long one arrival takes to come.
    let awaited = elapsed / UInt64(max(streamed, 1))
    if isWorthResting(elapsed) {
      current = .resting(every: min(intervalMax, awaited &* Limits.moderationBatch))
    } else {
      current = isWorthPolling(elapsed) ? .polling(for: pollTime) : .prompt
    }
    trainsForm = streamed >= trains &* 4
    depth.note(datagrams: streamedDatagrams &+ turned, trains: trains, isBehind: isBehind)
    isBehind = false
    windowStart = now
    streamed = 0
    streamedDatagrams = 0
    turned = 0
    trains = 0
  }

  /// Whether enough streams in to be waited for: five datagrams in the longest interval, and three arrivals, each of
  /// which would be a wake-up. A large train is worth one, and counts as a datagram.
  private func isWorthResting(_ elapsed: UInt64) -> Bool {
    func come(_ count: Int, atLeast least: UInt64) -> Bool {
      UInt64(count) &* intervalMax >= least &* elapsed
    }
    guard intervalMax > 0, come(streamed, atLeast: Limits.moderationTrainsMin) else { return false }
    let areLarge = streamedDatagrams >= streamed &* Limits.moderationTrainLarge
    return come(areLarge ? streamed : streamedDatagrams, atLeast: Limits.moderationArrivalsMin)
  }

  /// Whether a conversation goes on whose next arrival will probably come while the worker polls.
  ///
  /// Asleep, arrivals may take twice as long, since awake each wake-up on their way takes less. Where that turns
  /// out wrong, the next attempt comes after one window, after three, seven, and so on.
  private mutating func isWorthPolling(_ elapsed: UInt64) -> Bool {
    guard pollTime > 0, turned > streamed else { return false }
    let awaited = elapsed / UInt64(turned)
    if case .polling = current {
      let isWorthIt = awaited <= pollTime
      attempts.note(wasWorthIt: isWorthIt)
      return isWorthIt
    }
    return attempts.areDue() && awaited <= 2 &* pollTime
  }
}
