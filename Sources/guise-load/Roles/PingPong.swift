internal import CLiburing
internal import Glibc
internal import LoadModel

/// One datagram to and fro at a time, and how long each took. One thread.
struct PingPong: Sendable {
  /// How long an answer may take.
  static let timeoutMilliseconds = 1_000

  let socket: DatagramSocket
  let size: Int
  /// Nil: no limit.
  let durationNanoseconds: UInt64?
  /// Nil: no limit.
  let count: UInt64?
  /// From one departure to the next; 0: as soon as the answer is there.
  let intervalNanoseconds: UInt64
  let run: UInt32
  let state: RunState

  /// Plays until the duration, the count or the state says stop.
  func play() throws(LoadFailure) -> PingReport {
    var report = PingReport()
    var recorder = LatencyRecorder()
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let content = DatagramContent()
    let begin = guise_now()
    report.size = size
    while !state.isStopping, report.sent < count ?? .max {
      let head = DatagramHead(
        run: run, flow: 0, length: UInt16(size), sequence: report.sent, departure: guise_now())
      let datagram = content.bytes(head)
      let departure = guise_now()
      if let duration = durationNanoseconds, departure - begin >= duration { break }
      report.sent += 1
      if try exchange(datagram, &buffer, &report) {
        let arrival = guise_now()
        recorder.record(nanoseconds: arrival - departure)
        report.received += 1
      } else {
        report.lost += 1
      }
      state.show(datagrams: report.received, bytes: report.received * UInt64(size))
      rest(until: departure + intervalNanoseconds)
    }
    report.durationSeconds = Figures.rounded(Double(guise_now() - begin) / 1e9, places: 6)
    report.lossPercent = Figures.percent(report.lost, of: report.sent)
    report.latencyMicroseconds = recorder.summary
    return report
  }

  /// Sends one datagram and waits for the same to come back; returns whether it did in time.
  private func exchange(_ datagram: [UInt8], _ buffer: inout [UInt8], _ report: inout PingReport)
    throws(LoadFailure) -> Bool
  {
    let deadline = guise_now() + UInt64(Self.timeoutMilliseconds) * 1_000_000
    while unsafe Glibc.send(socket.descriptor, datagram, datagram.count, 0) < 0 {
      try refuse(errno, "send", &report)
      if guise_now() >= deadline || state.isStopping { return false }
    }
    while !state.isStopping, guise_now() < deadline {
      let length = unsafe recv(socket.descriptor, &buffer, buffer.count, 0)
      if length < 0 {
        if errno == EAGAIN { return false }
        try refuse(errno, "recv", &report)
        return false
      }
      if buffer[..<length].elementsEqual(datagram) { return true }
      report.unexpected += 1
    }
    return false
  }

  private func refuse(_ errno: Int32, _ operation: String, _ report: inout PingReport) throws(LoadFailure) {
    switch Refusal(errno: errno) {
    case .permanent: throw LoadFailure(operation, errno: errno)
    case .interrupted: return
    case .nobodyListens, .noWay: report.refused += 1
    case .noRoom: break
    }
    ThreadSleep.nanoseconds(10_000_000)
  }

  private func rest(until wakeup: UInt64) {
    let now = guise_now()
    if wakeup > now { ThreadSleep.nanoseconds(wakeup - now) }
  }
}
