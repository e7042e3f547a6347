internal import Glibc

/// Asks a running process over its control socket: HTTP/1.0, a connection for each question.
package struct ControlClient: Sendable {
  package let path: String
  /// How long each step of a question may take.
  private let secondsMax: Int

  package enum Failure: Error, Equatable, Sendable {
    /// Nobody listens there: the process was killed.
    case dead
    case refused(errno: Int32)
    /// It said no, and why.
    case answered(String)
    case unreadable
  }

  private static let answerBytesMax = 64 << 20

  /// The process itself waits a second for a worker that hangs.
  package init(_ path: String, secondsMax: Int = 10) {
    self.path = path
    self.secondsMax = secondsMax
  }

  package func status() throws(Failure) -> StatusReport {
    try decode(StatusReport.self, exchange("GET", "/status", []))
  }

  package func history() throws(Failure) -> HistoryReport {
    try decode(HistoryReport.self, exchange("GET", "/history", []))
  }

  package func flows(_ query: FlowQuery) throws(Failure) -> [FlowReport] {
    try decode(FlowListReport.self, exchange("POST", "/flows/list", JSON.encode(query))).flows
  }

  package func closeFlows(_ query: FlowQuery) throws(Failure) -> Int {
    try decode(FlowCountReport.self, exchange("POST", "/flows/close", JSON.encode(query))).count
  }

  package func reconnectFlows(_ query: FlowQuery) throws(Failure) -> Int {
    try decode(FlowCountReport.self, exchange("POST", "/flows/reconnect", JSON.encode(query))).count
  }

  private func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws(Failure) -> Value {
    guard let value = JSON.decode(type, bytes) else { throw .unreadable }
    return value
  }

  /// The body of the answer.
  private func exchange(_ method: String, _ target: String, _ body: [UInt8]) throws(Failure) -> [UInt8] {
    let socket = try UnixSocket.connected(to: path, secondsMax: secondsMax)
    defer { close(socket) }
    let head = "\(method) \(target) HTTP/1.0\r\nhost: localhost\r\ncontent-length: \(body.count)\r\n\r\n"
    try send(Array(head.utf8) + body, to: socket)
    let answer = try receive(from: socket)
    guard let (status, body) = Self.parse(answer) else { throw .unreadable }
    guard status == 200 else {
      throw .answered(JSON.decode(RefusalReport.self, body)?.error ?? "status \(status)")
    }
    return body
  }

  private func send(_ bytes: [UInt8], to socket: Int32) throws(Failure) {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw .refused(errno: errno) }
      sent += count
    }
  }

  private func receive(from socket: Int32) throws(Failure) -> [UInt8] {
    var answer: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe recv(socket, &piece, piece.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .refused(errno: errno) }
      guard count > 0 else { return answer }
      answer += piece[..<count]
      guard answer.count <= Self.answerBytesMax else { throw .unreadable }
    }
  }

  /// Status and body of an answer that ended with its connection (RFC 9112 §6.3).
  static func parse(_ answer: [UInt8]) -> (status: Int, body: [UInt8])? {
    let separator = Array("\r\n\r\n".utf8)
    guard let end = answer.firstRange(of: separator) else { return nil }
    let first = String(decoding: answer[..<end.lowerBound], as: UTF8.self).prefix { $0 != "\r\n" }
    let words = first.split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
    return (status, Array(answer[end.upperBound...]))
  }
}
