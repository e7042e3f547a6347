/// Whether the kernel's own way to wait for a batch replaces a sleep between two calls.
enum MinimumWaits: Experiment {
  static let name = "minimum-waits"
  static let question =
    "a sleep between two calls against the kernel's minimum wait (IORING_FEAT_MIN_TIMEOUT)"
  static let decision = "0016-minimum-waits.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(spacing: UInt64) -> [Bench.Entry] {
      func turns(_ waiting: BatchingTurns.Waiting) throws -> BatchingTurns {
        try BatchingTurns(waiting, spacingNanoseconds: spacing, on: host)
      }
      return [
        ("the first arrival", { try turns(.first) }),
        ("250 us, two calls", { try turns(.rest) }),
        ("250 us or 16, one call", { try turns(.minimum(count: 16)) }),
        ("250 us or 64, one call", { try turns(.minimum(count: 64)) }),
        ("250 us or 1024, one call", { try turns(.minimum(count: 1_024)) }),
      ]
    }
    try bench.compare(
      "40 000 datagrams/s", per: "datagram", clock: .thread, entries(spacing: 25_000))
    try bench.compare(
      "150 000 datagrams/s", per: "datagram", clock: .thread, entries(spacing: 6_666))
    try bench.compare(
      "as many as go", per: "datagram", clock: .thread, entries(spacing: 0))
  }
}
