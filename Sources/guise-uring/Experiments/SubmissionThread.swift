/// What a kernel thread that takes submissions saves, and what it costs.
enum SubmissionThread: Experiment {
  static let name = "sqpoll"
  static let question = "submitting by system call against IORING_SETUP_SQPOLL"
  static let decision = "0011-sqpoll.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(_ load: PacketWriter.Load, batch: Int, interval: UInt64) -> [Bench.Entry] {
      func writer(_ issuer: PacketWriter.Issuer) throws -> PacketWriter {
        try PacketWriter(.write, load, on: host, batch: batch, issuer: issuer, intervalNanoseconds: interval)
      }
      return [
        ("io_uring_enter", { try writer(.owner) }),
        ("SQPOLL, completions awaited", { try writer(.threadAwaited) }),
        ("SQPOLL, completions spun for", { try writer(.threadSpunFor) }),
      ]
    }
    try bench.compare("batches of 32 lone segments", entries(.segment, batch: 32, interval: 0))
    try bench.compare("batches of 1 train", per: "train", fraction: 8, entries(.train, batch: 1, interval: 0))
    try bench.compare(
      "1 segment every 100 us", fraction: 8, entries(.segment, batch: 1, interval: 100_000))
  }
}
