import Testing

/// Everything that drives the real programs through network namespaces, one test at a time.
///
/// The tests need root, iproute2, nftables, util-linux and built programs; without any of these they
/// fail and say what is missing. They never pass by being skipped.
@Suite("End to end", .serialized, .hostIsReady, .logsWithFirstIssue, .timeLimit(.minutes(2)))
struct EndToEnd {}
