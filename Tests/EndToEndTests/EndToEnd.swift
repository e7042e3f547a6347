import Testing

/// Everything that drives the real programs through network namespaces: two tests at a time, one of each half, since
/// one alone leaves a core idle for much of its time. Those that are marked `.alone` have both.
///
/// The tests need root, iproute2, nftables, util-linux and built programs; without any of these they
/// fail and say what is missing. They never pass by being skipped.
@Suite("End to end", .hostIsReady, .logsWithFirstIssue, .timeLimit(.minutes(2)))
struct EndToEnd {
  /// What happens to datagrams on their way.
  @Suite("Traffic", .serialized) struct Traffic {}

  /// What happens to gateways, and what they do to their hosts.
  @Suite("Operation", .serialized) struct Operation {}
}
