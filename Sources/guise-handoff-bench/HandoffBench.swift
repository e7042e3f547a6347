internal import ArgumentParser
internal import LoadModel

/// Measures what passing something from one worker to another costs: the ring between them, next to a queue
/// behind a lock, and the ways to wake a worker that sleeps.
@main
struct HandoffBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guise-handoff-bench",
    abstract: "Measures hand-offs between two threads, each pinned to a core of its own.",
    discussion: """
      The queues: SPSCRing, as the data plane has it, and a queue of the same capacity behind a mutex. Items \
      of 16 bytes pass one by one, each published or locked for by itself, and in batches. A hop is half the \
      round trip of one item between two threads that both look for it all the time.

      The wake-ups: from a write to the other thread's waking, which slept. And what the call costs the \
      sender; with IORING_OP_MSG_RING that call is one that a worker makes anyway, whose own cost (a NOP) \
      stands below it.

      Text goes to stdout, or with --json one JSON object.
      """)

  @Option(help: ArgumentHelp("The two cores.", valueName: "first,second"), transform: CorePair.init)
  var cpus = CorePair(first: 0, second: 1)

  @Option(help: ArgumentHelp("Items that a round passes through a queue.", valueName: "count"))
  var items = 2_000_000

  @Option(help: ArgumentHelp("Items that are published, or locked for, together.", valueName: "count"))
  var batch = 32

  @Option(help: ArgumentHelp("Entries that each queue has, a power of two.", valueName: "count"))
  var capacity = 1_024

  @Option(help: ArgumentHelp("Round trips of one item that a round makes.", valueName: "count"))
  var hops = 200_000

  @Option(help: ArgumentHelp("Wake-ups of each kind that a round makes.", valueName: "count"))
  var wakeups = 1_000

  @Option(help: ArgumentHelp("Rounds, in which all take turns; medians are told.", valueName: "count"))
  var rounds = 15

  @Flag(help: "Print one JSON object.")
  var json = false

  mutating func validate() throws {
    for (value, option) in [
      (items, "--items"), (batch, "--batch"), (hops, "--hops"), (wakeups, "--wakeups"), (rounds, "--rounds"),
    ] where value < 1 {
      throw ValidationError("\(option) \(value) is out of bounds: use 1 or more")
    }
    guard capacity > 0, capacity & (capacity - 1) == 0, capacity >= batch else {
      throw ValidationError("--capacity \(capacity): use a power of two that holds a batch")
    }
  }

  mutating func run() throws {
    var report = HandoffReport(cpus: [cpus.first, cpus.second], capacity: capacity, batch: batch)
    for _ in 0..<rounds {
      report.ring.add(try transit(batch: 1), batched: try transit(batch: batch), hop: try ringHop())
      report.lock.add(try lockTransit(batch: 1), batched: try lockTransit(batch: batch), hop: try lockHop())
      for way in WakeWay.allCases {
        report.wakeups[way.rawValue, default: WakeFigures()].add(
          try WakeMeasurement.run(way, on: cpus, count: wakeups))
      }
      report.bareCalls.append(try WakeMeasurement.bareCall(on: cpus, count: wakeups))
    }
    print(json ? try JSONText.encode(report.medians) : "\(report.medians)")
  }

  private func transit(batch: Int) throws -> Double {
    try QueueMeasurement.transit(
      { RingQueue(capacity: capacity) }, on: cpus, items: items, batch: batch)
  }
  private func lockTransit(batch: Int) throws -> Double {
    try QueueMeasurement.transit(
      { LockedQueue(capacity: capacity) }, on: cpus, items: items, batch: batch)
  }
  private func ringHop() throws -> Double {
    try QueueMeasurement.hop({ RingQueue(capacity: capacity) }, on: cpus, count: hops)
  }
  private func lockHop() throws -> Double {
    try QueueMeasurement.hop({ LockedQueue(capacity: capacity) }, on: cpus, count: hops)
  }
}
