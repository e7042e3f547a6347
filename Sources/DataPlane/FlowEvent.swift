/// What happened to a flow, for the log. Written by workers, drained by whoever logs.
package struct FlowEvent: Sendable, BitwiseCopyable {
  package enum Kind: Sendable, BitwiseCopyable {
    case opened
    case closedIdle
    case closedByPeer
    case closedUnanswered
    case closedRefused
    /// An operator wanted it.
    case closedOnRequest
    /// Client: nothing was heard for `detail` milliseconds, although asked for: another flow is tried.
    case suspended
    /// Client: a suspended flow was answered again.
    case resumed
    /// Client: another flow took the place of the one from port `detail`.
    case reopened
    /// Client: new flows go to another server, the `detail`th of `limit`.
    case serverChanged
    /// It was the longest silent, `detail` seconds, and there was no room for another.
    case closedForRoom
    /// A datagram was larger than the path takes: `detail` bytes, where `limit` would fit.
    case datagramTooLarge
    /// The path takes packets of `detail` bytes at most, so that datagrams of `limit` fit from now on.
    case pathLimitLowered
    /// Client: none of the worker's `limit` source ports was left for a new flow.
    case portSpaceFull
    /// There are `limit` flows, as many as may be: of this worker, or of all together.
    case flowTableFull
    /// Server: the source address has `limit` flows, as many as one may.
    case sourceFlowsFull
    /// Server: more than `limit` new flows a second came to the worker.
    case newFlowRate
    /// Server: a resumed flow speaks to the service from another port than before; `detail` is the errno that
    /// the old one was refused with.
    case resumedElsewhere
    /// The flow file does not grow any more: flows beyond the worker's first `limit` end with the process.
    /// `detail` is the errno.
    case flowFileFull
    /// The kernel refused to cut a train of segments, or of datagrams, with the errno `detail`: the worker hands them over
    /// one by one from now on.
    case segmentsRefused
    case datagramsRefused
    /// Server: there was no UDP socket for a new flow; `detail` is the errno.
    case socketUnavailable
  }
  package var kind: Kind
  package var worker: UInt16
  /// The other end of the TCP flow.
  package var remote: Endpoint
  /// Our TCP port.
  package var localPort: UInt16
  /// The UDP side: the application's endpoint (client), the service's (server).
  package var peer: Endpoint
  package var detail: Int = 0
  package var limit: Int = 0
}
