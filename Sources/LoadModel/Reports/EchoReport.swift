/// What `guise-load echo --json` prints.
package struct EchoReport: Codable, Equatable, Sendable {
  package var received: UInt64 = 0
  package var receivedBytes: UInt64 = 0
  /// Datagrams that the kernel took on their way back.
  package var sent: UInt64 = 0
  /// Datagrams that could not be sent back: no room in the kernel's queues, or no way there.
  package var dropped: UInt64 = 0
  /// Datagrams that the kernel dropped because this program did not keep up.
  package var socketDrops: UInt64 = 0

  package init() {}
}

extension EchoReport: CustomStringConvertible {
  package var description: String {
    var text = """
      received \(Figures.quantity(received, "datagram")) (\(Figures.byteCount(receivedBytes))), \
      sent back \(Figures.grouped(sent)), could not send back \(Figures.grouped(dropped))
      """
    if socketDrops > 0 {
      text += "\n\(Figures.grouped(socketDrops)) dropped at this socket: it did not keep up"
    }
    return text
  }
}
