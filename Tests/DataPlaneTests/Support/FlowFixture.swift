@testable import DataPlane

/// Flows in known states, and the segments that their other end might send.
enum FlowFixture {
  static let second: UInt64 = 1_000_000_000
  /// The moment at which fixtures are made.
  static let start: UInt64 = 50_000 * second
  static let idle: UInt64 = 180 * second

  /// Where an established fixture stands.
  static let sendNext = SequenceNumber(0x8000_0000)
  static let receiveNext = SequenceNumber(0xffff_ff00)

  static let key = FlowKey(
    remote: Address("198.51.100.2")!, local: Address("192.0.2.1")!, remotePort: 4_567, localPort: 33_000)

  static var free: Flow {
    Flow(key: key, peer: .none, generation: 1, segmentBytesMax: 1_460, now: start)
  }

  static var synSent: Flow {
    var flow = free
    _ = flow.open(now: start)
    return flow
  }

  /// `start` is also when it was last heard of.
  static var established: Flow {
    var flow = free
    flow.state = .established
    flow.sendNext = sendNext
    flow.receiveNext = receiveNext
    flow.acknowledged = receiveNext
    return flow
  }

  static func segment(
    _ flags: TCPFlags, sequence: SequenceNumber = receiveNext, acknowledgement: SequenceNumber = sendNext,
    length: Int = 0
  ) -> Segment {
    Segment(
      key: key, sequence: sequence, acknowledgement: acknowledgement, flags: flags, payloadOffset: 40,
      payloadLength: length, segmentSize: 0)
  }
}

/// What of a flow a segment or the clock may change.
struct FlowState: Equatable {
  var state: Flow.State
  var sendNext, receiveNext, acknowledged: SequenceNumber
  var tries: UInt8
  var lastActivity, retryAt, ackDueAt: UInt64

  func with(state: Flow.State) -> FlowState {
    var other = self
    other.state = state
    return other
  }

  init(_ flow: Flow) {
    state = flow.state
    (sendNext, receiveNext, acknowledged) = (flow.sendNext, flow.receiveNext, flow.acknowledged)
    tries = flow.tries
    (lastActivity, retryAt, ackDueAt) = (flow.lastActivity, flow.retryAt, flow.ackDueAt)
  }
}
