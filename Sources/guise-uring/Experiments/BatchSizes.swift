/// What a call of io_uring_enter costs, spread over what it submits.
enum BatchSizes: Experiment {
  static let name = "batch-sizes"
  static let question = "1 to 256 submissions a call, to TUN and to a socket"
  static let decision = "0013-batch-sizes.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    let sizes = [1, 4, 16, 64, 256]
    try bench.compare(
      "lone segments of 1400 bytes to TUN",
      sizes.map { size in ("\(size)", { try PacketWriter(.write, .segment, on: host, batch: size) }) })
    try bench.compare(
      "lone datagrams of 1400 bytes to a socket", per: "datagram",
      sizes.map { size in
        ("\(size)", { try DatagramSender(.sendmsg, parts: 1, to: .sink, on: host, batch: size) })
      })
  }
}
