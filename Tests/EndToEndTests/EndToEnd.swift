import Testing

/// Everything that drives the real programs through network namespaces: three tests at a time, one of each third, since
/// a test waits for more than half of its time. Those that are marked `.alone` have both cores.
///
/// The tests need root, iproute2, nftables, util-linux and built programs; without any of these they
/// fail and say what is missing. They never pass by being skipped.
@Suite("End to end", .hostIsReady, .logsWithFirstIssue, .timeLimit(.minutes(2)))
struct EndToEnd {
  /// What happens to datagrams on their way.
  @Suite("Traffic", .serialized) struct Traffic {}

  /// Paths that narrow, fall silent or move, and gateways that die: what flows come through.
  @Suite("Faults", .serialized) struct Faults {}

  /// What gateways do to their hosts and take of them, and what operators see.
  @Suite("Operation", .serialized) struct Operation {}
}
