internal import Glibc
internal import LoadModel

/// Sends every datagram back to where it came from, from the address that it came to. One thread.
struct EchoService: Sendable {
  let socket: DatagramSocket
  let state: RunState

  /// Echoes until the state says stop.
  func run() throws(LoadFailure) -> EchoReport {
    var batch = ReceiveBatch()
    var replies = ReplyBatch()
    var report = EchoReport()
    while !state.isStopping {
      let count = batch.receive(from: socket.descriptor, isPatient: true)
      guard count > 0 else {
        if Refusal(errno: Int32(-count)) == .permanent { throw LoadFailure("recvmmsg", errno: Int32(-count)) }
        continue
      }
      for index in 0..<count {
        report.received += UInt64(batch.datagramCount(index))
        report.receivedBytes += UInt64(batch.message(index).byteCount)
      }
      replies.answer(batch, count: count)
      send(&replies, batch, count: count, &report)
      state.show(datagrams: report.sent, bytes: report.receivedBytes)
    }
    report.socketDrops = socket.drops
    return report
  }

  private func send(
    _ replies: inout ReplyBatch, _ batch: borrowing ReceiveBatch, count: Int, _ report: inout EchoReport
  ) {
    var done = 0
    while done < count {
      let result = replies.send(done..<count, on: socket.descriptor)
      if result > 0 {
        for index in done..<(done + result) { report.sent += UInt64(batch.datagramCount(index)) }
        done += result
        continue
      }
      if Int32(-result) == EINTR { continue }
      // A train that the way out cannot cut goes as single datagrams; anything else is lost.
      let datagrams = batch.datagramCount(done)
      let taken = datagrams > 1 ? replies.sendSingly(done, of: batch, on: socket.descriptor) : 0
      report.sent += UInt64(taken)
      report.dropped += UInt64(datagrams - taken)
      done += 1
    }
  }
}
