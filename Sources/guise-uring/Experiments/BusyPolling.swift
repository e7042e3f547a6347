/// Whether polling network queues shortens round trips where no network card is involved.
enum BusyPolling: Experiment {
  static let name = "busy-poll"
  static let question = "round trips over veth with and without IORING_REGISTER_NAPI"
  static let decision = "0015-busy-poll.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    try bench.compare(
      "round trips of 200 bytes over veth", per: "round trip", fraction: 4, clock: .thread,
      [
        ("plain", { try PingPong(busyPollMicroseconds: nil, hasGRO: false, on: host) }),
        ("NAPI busy poll of 50 us", { try PingPong(busyPollMicroseconds: 50, hasGRO: false, on: host) }),
        ("veth with GRO, plain", { try PingPong(busyPollMicroseconds: nil, hasGRO: true, on: host) }),
        (
          "veth with GRO, NAPI busy poll of 50 us",
          { try PingPong(busyPollMicroseconds: 50, hasGRO: true, on: host) }
        ),
      ])
  }
}
