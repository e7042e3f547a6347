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
        ("veth", { try PingPong(busyPollMicroseconds: nil, over: .plain, on: host) }),
        ("veth, NAPI busy poll of 50 us", { try PingPong(busyPollMicroseconds: 50, over: .plain, on: host) }),
        ("veth with NAPI", { try PingPong(busyPollMicroseconds: nil, over: .napi, on: host) }),
        (
          "veth with NAPI, busy poll of 50 us",
          { try PingPong(busyPollMicroseconds: 50, over: .napi, on: host) }
        ),
      ])
  }
}
