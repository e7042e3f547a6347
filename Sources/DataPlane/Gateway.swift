/// What happened to a flow, for the log. Written by workers, drained by whoever logs.
package struct FlowEvent: Sendable, BitwiseCopyable {
  package enum Kind: Sendable, BitwiseCopyable {
    case opened
    case closedIdle
    case closedByPeer
    case closedUnanswered
    /// A datagram was larger than the path takes: `detail` bytes, where `limit` would fit.
    case datagramTooLarge
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

/// A running gateway: one thread per worker. Thread-safe.
package final class Gateway: Sendable {
  /// Takes the plan's descriptors over: they are closed when the gateway has stopped.
  package init(_ plan: GatewayPlan) throws(KernelError) {}

  /// Starts every worker's thread; returns when all run, or throws the first refusal with all stopped.
  package func start() throws(KernelError) {}

  /// Asks every worker to reset its flows and end; returns when all have ended. Idempotent.
  package func stop() {}

  /// Each worker's counters as they stand now.
  package func statistics() -> [StatisticsSnapshot] { [] }

  /// The oldest flow event that nobody has taken yet. One caller at a time.
  package func nextFlowEvent() -> FlowEvent? { nil }

  /// The first error that ended a worker by itself, if any.
  package var failure: KernelError? { nil }
}
