/// A flow as it stood when its worker was asked.
package struct FlowSummary: Sendable, BitwiseCopyable {
  package enum State: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// The handshake runs.
    case opening
    /// Client: the handshake is complete, and nothing came since.
    case unconfirmed
    case established
    /// Client: the path does not answer.
    case suspended
    /// Client: it may take another's place, whose path does not answer or whose server is not the preferred one.
    case successor
  }

  package var worker: UInt16
  package var state: State
  package var remote: Endpoint
  /// Our TCP port.
  package var localPort: UInt16
  /// Client: the application. Server: our own UDP end towards the service, which is what that sees.
  package var peer: Endpoint
  package var ageNanoseconds: UInt64
  /// Since the last datagram either way.
  package var silentNanoseconds: UInt64
  /// Where the data stand: differences between two moments are payload bytes, modulo 2^32.
  package var sent: UInt32
  package var received: UInt32
  /// 0 where nobody has measured it.
  package var handshakeMicroseconds: UInt32
  package var probeMicroseconds: UInt32
  package var waitingCount: UInt16
  /// The largest datagram that fits.
  package var datagramBytesMax: UInt16
}
