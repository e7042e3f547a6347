package import DataPlane

/// A flow in words.
package struct FlowReport: Codable, Sendable {
  package var tunnel: String
  package var worker: Int
  package var state: String
  package var remote: String
  package var localPort: UInt16
  package var peer: String?
  package var ageSeconds: Double
  package var silentSeconds: Double
  /// Where the data stand, modulo 2^32: differences between two reports are payload bytes.
  package var sent: UInt32
  package var received: UInt32
  package var handshakeMilliseconds: Double?
  package var keepaliveMilliseconds: Double?
  package var waiting: Int
  package var datagramBytesMax: Int
  /// Payload bytes a second each way; where two reports were compared.
  package var sentPerSecond: Double?
  package var receivedPerSecond: Double?

  package init(_ flow: FlowSummary, tunnel: String) {
    self.tunnel = tunnel
    worker = Int(flow.worker)
    state = "\(flow.state)"
    remote = "\(flow.remote)"
    localPort = flow.localPort
    peer = flow.peer.port == 0 ? nil : "\(flow.peer)"
    ageSeconds = Double(flow.ageNanoseconds / 1_000_000) / 1_000
    silentSeconds = Double(flow.silentNanoseconds / 1_000_000) / 1_000
    sent = flow.sent
    received = flow.received
    handshakeMilliseconds = Self.milliseconds(flow.handshakeMicroseconds)
    keepaliveMilliseconds = Self.milliseconds(flow.probeMicroseconds)
    waiting = Int(flow.waitingCount)
    datagramBytesMax = Int(flow.datagramBytesMax)
  }

  private static func milliseconds(_ microseconds: UInt32) -> Double? {
    microseconds > 0 ? Double(microseconds) / 1_000 : nil
  }

  /// What names the flow for as long as it lives.
  package var identity: String { "\(tunnel) \(localPort) \(remote)" }

  /// Notes how fast it went since an earlier report of the same flow.
  package mutating func compare(with old: FlowReport, seconds: Double) {
    // A flow that took the same ports since is younger than the time between.
    guard seconds > 0, ageSeconds >= seconds * 0.9 else { return }
    sentPerSecond = Double(sent &- old.sent) / seconds
    receivedPerSecond = Double(received &- old.received) / seconds
  }
}

extension [FlowReport] {
  /// Notes how fast each went since an earlier look at them.
  package mutating func compare(with old: [FlowReport], seconds: Double) {
    let before = Dictionary(old.map { ($0.identity, $0) }) { first, _ in first }
    for index in indices {
      if let old = before[self[index].identity] { self[index].compare(with: old, seconds: seconds) }
    }
  }
}

/// Flows that were asked for.
package struct FlowListReport: Codable, Sendable {
  package var flows: [FlowReport]

  package init(flows: [FlowReport]) { self.flows = flows }
}

/// What came of closing flows, or of opening them anew.
package struct FlowCountReport: Codable, Sendable {
  package var count: Int
}

/// Why something was not done.
package struct RefusalReport: Codable, Sendable {
  package var error: String
}
