internal import CLiburing
internal import Glibc
internal import LoadModel

/// Sends a datagram of every size to an echo, from several sockets, and compares what comes back. One thread.
struct SizeSweep: Sendable {
  let sockets: [DatagramSocket]
  let sizes: SizeRange
  let rounds: Int
  /// Datagrams under way at once, for each client.
  let window: Int
  let timeoutNanoseconds: UInt64
  let run: UInt32
  let state: RunState

  /// A client's place in its list of sizes, and what it waits for.
  private struct Client {
    var position = 0
    var awaited: [Awaited] = []
    /// One at a time until the first answer: the path may have to be set up first.
    var isOpen = false
  }

  private struct Awaited {
    var datagram: [UInt8]
    var deadline: UInt64
  }

  /// What came back; ends early when the state says stop, with what is under way counted as missing.
  func sweep() throws(LoadFailure) -> SweepReport {
    var report = SweepReport()
    var missing: Set<Int> = []
    var corrupt: Set<Int> = []
    var clients = [Client](repeating: Client(), count: sockets.count)
    var polls = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let begin = guise_now()
    report.clients = sockets.count
    while clients.contains(where: { $0.position < total || !$0.awaited.isEmpty }) {
      for index in clients.indices where !state.isStopping { try fill(&clients[index], index, &report) }
      guard unsafe poll(&polls, nfds_t(polls.count), 20) >= 0 || errno == EINTR else {
        throw LoadFailure("poll", errno: errno)
      }
      for index in clients.indices where polls[index].revents != 0 {
        try collect(&clients[index], index, &buffer, &report, &corrupt)
      }
      let now = state.isStopping ? UInt64.max : guise_now()
      for index in clients.indices { expire(&clients[index], now, &report, &missing) }
      if state.isStopping { break }
      state.show(datagrams: report.intact, bytes: 0)
    }
    report.durationSeconds = Figures.rounded(Double(guise_now() - begin) / 1e9, places: 6)
    report.missingSizes = missing.sorted()
    report.corruptSizes = corrupt.sorted()
    return report
  }

  /// Datagrams that a client sends in all.
  private var total: Int { sizes.count * rounds }

  private func fill(_ client: inout Client, _ index: Int, _ report: inout SweepReport) throws(LoadFailure) {
    // Sizes tell answers apart: never two of the same under way.
    let limit = client.isOpen ? min(window, sizes.count) : 1
    while client.awaited.count < limit, client.position < total {
      let size = sizes.lower + client.position % sizes.count
      if client.awaited.contains(where: { $0.datagram.count == size }) { return }
      let head = DatagramHead(
        run: run, flow: UInt16(index), length: UInt16(size), sequence: UInt64(client.position),
        departure: guise_now())
      let datagram = DatagramContent().bytes(head)
      let result = unsafe send(sockets[index].descriptor, datagram, datagram.count, Int32(MSG_DONTWAIT))
      if result < 0 {
        switch Refusal(errno: errno) {
        case .permanent: throw LoadFailure("send", errno: errno)
        case .interrupted: continue
        case .nobodyListens:
          report.refused += 1
          continue
        case .noRoom: return
        case .noWay: report.refused += 1
        }
      }
      client.position += 1
      client.awaited.append(Awaited(datagram: datagram, deadline: guise_now() + timeoutNanoseconds))
      report.sent += 1
    }
  }

  private func collect(
    _ client: inout Client, _ index: Int, _ buffer: inout [UInt8], _ report: inout SweepReport,
    _ corrupt: inout Set<Int>
  ) throws(LoadFailure) {
    while true {
      let length = unsafe recv(
        sockets[index].descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      guard length >= 0 else {
        switch Refusal(errno: errno) {
        case .permanent: throw LoadFailure("recv", errno: errno)
        case .interrupted: continue
        case .nobodyListens, .noWay: report.refused += 1
        case .noRoom: break
        }
        return
      }
      guard let place = client.awaited.firstIndex(where: { $0.datagram.count == length }) else {
        report.unexpected += 1
        continue
      }
      let awaited = client.awaited.remove(at: place)
      client.isOpen = true
      if buffer[..<length].elementsEqual(awaited.datagram) {
        report.intact += 1
      } else {
        report.corrupt += 1
        corrupt.insert(length)
      }
    }
  }

  private func expire(
    _ client: inout Client, _ now: UInt64, _ report: inout SweepReport, _ missing: inout Set<Int>
  ) {
    client.awaited.removeAll { awaited in
      guard awaited.deadline <= now else { return false }
      report.missing += 1
      missing.insert(awaited.datagram.count)
      return true
    }
  }
}
