internal import Synchronization

/// What others may ask of a worker.
struct WorkerRequest: BitwiseCopyable {
  enum Verb: UInt8 {
    /// Nothing but an answer.
    case answer
    case list
    case close
    case reconnect
  }
  var verb: Verb
  var selection = FlowSelection()
  /// The slot of the flow table to go on with.
  var from: UInt32 = 0
  /// When its first piece was dealt with; nil in that. Flows that are younger are not meant: one that was opened
  /// because of the request, or with the next datagram, may have a slot that is yet to be looked at.
  var began: UInt64?
}

/// One request at a time to a worker, and its answer.
///
/// The asker fills the request in, says so and wakes the worker, which looks here when it is woken and nowhere on
/// the packet's path. The state says whose the memory is. A trivial handle; its maker deallocates it.
@safe
struct RequestSlot: @unchecked Sendable {
  private enum State {
    static let idle: UInt8 = 0
    static let asked: UInt8 = 1
    static let answered: UInt8 = 2
  }

  /// What came of a request.
  struct Answer: BitwiseCopyable {
    /// Summaries written, or flows acted on.
    var count: UInt32 = 0
    /// What to ask next; nil when all flows have been looked at.
    var next: WorkerRequest?
  }

  private let state: UnsafeMutablePointer<Atomic<UInt8>>
  private let request: UnsafeMutablePointer<WorkerRequest>
  private let answer: UnsafeMutablePointer<Answer>
  private let summaries: UnsafeMutablePointer<FlowSummary>

  init() {
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: Atomic(State.idle))
    unsafe request = .allocate(capacity: 1)
    unsafe answer = .allocate(capacity: 1)
    // Touched when first used.
    unsafe summaries = .allocate(capacity: Limits.summariesPerRequest)
  }

  /// No worker may run any more.
  func deallocate() {
    unsafe state.deinitialize(count: 1)
    unsafe state.deallocate()
    unsafe request.deallocate()
    unsafe answer.deallocate()
    unsafe summaries.deallocate()
  }

  // MARK: - The asker, one at a time

  /// False while an earlier request has not been answered.
  func ask(_ request: WorkerRequest) -> Bool {
    guard unsafe state.pointee.load(ordering: .acquiring) != State.asked else { return false }
    unsafe self.request.initialize(to: request)
    unsafe state.pointee.store(State.asked, ordering: .releasing)
    return true
  }

  /// The answer, and the summaries in it where flows were listed; nil until it is there.
  func takeAnswer() -> (Answer, [FlowSummary])? {
    guard unsafe state.pointee.load(ordering: .acquiring) == State.answered else { return nil }
    let answer = unsafe self.answer.pointee
    let isList = unsafe request.pointee.verb == .list
    let list =
      unsafe isList
      ? Array(UnsafeBufferPointer(start: summaries, count: Int(answer.count))) : []
    unsafe state.pointee.store(State.idle, ordering: .relaxed)
    return (answer, list)
  }

  // MARK: - The worker

  @inline(__always)
  func takeRequest() -> WorkerRequest? {
    guard unsafe state.pointee.load(ordering: .acquiring) == State.asked else { return nil }
    return unsafe request.pointee
  }

  /// `index` is below `Limits.summariesPerRequest`.
  func write(_ summary: FlowSummary, at index: Int) {
    precondition(index < Limits.summariesPerRequest)
    unsafe (summaries + index).initialize(to: summary)
  }

  func reply(_ answer: Answer) {
    unsafe self.answer.initialize(to: answer)
    unsafe state.pointee.store(State.answered, ordering: .releasing)
  }
}
