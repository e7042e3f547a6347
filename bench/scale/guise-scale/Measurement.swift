internal import CLiburing
internal import Glibc

/// What one worker of a server spends of its own, without a kernel, when it has so many flows.
struct Measurement {
  let flows: Int
  /// To open a flow: a cookie that came back, an entry, a timer, an answer.
  var openNanoseconds = 0.0
  /// A segment from TUN, of flows in random order.
  var segmentNanoseconds = 0.0
  /// A datagram from a flow's socket, of flows in random order.
  var datagramNanoseconds = 0.0
  /// A timer that fires for a flow that is not idle, and is set anew.
  var timerNanoseconds = 0.0
  /// A flow that ends after silence: its reset, and its place in the tables.
  var expiryNanoseconds = 0.0
  /// Memory that the tables took for it, in bytes.
  var bytesPerFlow = 0.0

  private static let idleNanoseconds: UInt64 = 180_000_000_000
  /// A figure is the median of this many stretches of at least so many packets.
  private static let stretchCount = 5
  /// (Together they stay below `Limits.ackStepBytes` in each flow, or data would carry the acknowledgements.)
  private static let stretchPacketsMin = 600_000

  /// Measures, and traps where the worker did not do what was meant to be measured.
  init(flows: Int) throws(KernelError) {
    self.flows = flows
    var random = SystemRandomNumberGenerator()
    let places = Array(0..<UInt32(flows))
    let order = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: flows)
    _ = unsafe order.initialize(from: places.shuffled(using: &random))
    let cookies = UnsafeMutablePointer<UInt32>.allocate(capacity: flows)
    unsafe cookies.initialize(repeating: 0, count: flows)
    defer {
      unsafe order.deallocate()
      unsafe cookies.deallocate()
    }

    var plan = GatewayPlan(
      role: .server, remote: Endpoint(Address("127.0.0.1")!, port: 5_000), tunQueues: [-1])
    plan.listenPort = LoopEngine.listenPort
    plan.tunAddress4 = LoopEngine.serverAddress
    plan.flowCountMax = flows
    plan.idleTimeoutSeconds = Int(Self.idleNanoseconds / 1_000_000_000)
    plan.moderationMicroseconds = 0
    plan.pollMicroseconds = 0
    let workerPlan = WorkerPlan(plan)
    let statistics = Statistics()
    let switchboard = try Switchboard(workerCount: 1)
    let events = SPSCRing<FlowEvent>(capacity: 64)
    let requests = RequestSlot()
    defer {
      statistics.deallocate()
      switchboard.deallocate()
      events.deallocate()
      requests.deallocate()
    }

    var feed = unsafe Feed(order: UnsafePointer(order.baseAddress!), cookies: cookies)
    try unsafe withUnsafeMutablePointer(to: &feed) { (feed) throws(KernelError) in
      for flow in 0..<UInt32(flows) {
        let cookie = unsafe workerPlan.cookie.sequence(for: LoopEngine.key(flow), now: feed.pointee.now)
        unsafe cookies[Int(flow)] = (cookie + 1).value
      }
      var worker = try unsafe Worker(
        index: 0, plan: workerPlan, engine: LoopEngine(feed), handshakePacket: [], statistics: statistics,
        events: events, requests: requests, switchboard: switchboard, random: 1)

      func pass(_ kind: Feed.Kind) throws(KernelError) {
        unsafe feed.pointee.kind = kind
        unsafe feed.pointee.position = 0
        unsafe feed.pointee.end = flows
        while unsafe feed.pointee.position < flows { try worker.turn(until: 0) }
        if kind == .segments { unsafe feed.pointee.sequence += UInt32(LoopEngine.payloadLength) }
      }

      let before = Self.residentBytes()
      var start = guise_now()
      try pass(.opening)
      openNanoseconds = Self.perItem(since: start, flows)
      bytesPerFlow = Double(Self.residentBytes() - before) / Double(flows)
      precondition(worker.flows.count == flows, "not every flow has opened")

      let passes = max(1, Self.stretchPacketsMin / flows)
      func median(_ kind: Feed.Kind) throws(KernelError) -> Double {
        var stretches: [Double] = []
        for _ in 0..<Self.stretchCount {
          let start = guise_now()
          for _ in 0..<passes { try pass(kind) }
          stretches.append(Self.perItem(since: start, flows * passes))
        }
        return stretches.sorted()[Self.stretchCount / 2]
      }
      segmentNanoseconds = try median(.segments)
      datagramNanoseconds = try median(.datagrams)
      let packets = UInt64(flows * passes * Self.stretchCount)
      precondition(statistics.snapshot()[.datagramsOut] == packets, "not every segment was delivered")
      precondition(statistics.snapshot()[.segmentsOut] == packets, "not every datagram was sent")

      try pass(.segments)
      // The delayed acknowledgements of what nothing has gone after become due: every flow's timer fires, and is set to its next.
      unsafe feed.pointee.end = 0
      unsafe feed.pointee.now += 2_000_000_000
      let acknowledged = statistics.snapshot()[.controlSegmentsOut]
      start = guise_now()
      while statistics.snapshot()[.controlSegmentsOut] < acknowledged + UInt64(flows) {
        try worker.turn(until: 0)
      }
      timerNanoseconds = Self.perItem(since: start, flows)

      // Further than the wheel reaches, deadlines are looked at once on their way.
      start = guise_now()
      while worker.flows.count > 0 {
        if worker.timers.nextDeadline() > worker.now { unsafe feed.pointee.now += Self.idleNanoseconds / 16 }
        try worker.turn(until: 0)
      }
      expiryNanoseconds = Self.perItem(since: start, flows)
    }
  }

  private static func perItem(since start: UInt64, _ count: Int) -> Double {
    Double(guise_now() - start) / Double(count)
  }

  /// What this process has in memory: the second word of /proc/self/statm, in pages (proc(5)).
  private static func residentBytes() -> Int {
    let file = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 128)
    let count = unsafe read(file, &bytes, bytes.count)
    let words = String(decoding: bytes[..<max(count, 0)], as: UTF8.self).split(separator: " ")
    return Int(words[1])! * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
