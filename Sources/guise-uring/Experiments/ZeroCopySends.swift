/// Whether sending without a copy pays for datagrams.
enum ZeroCopySends: Experiment {
  static let name = "send-zc"
  static let question = "SENDMSG and SEND against SEND_ZC for datagrams, lone and in trains"
  static let decision = "0012-send-zc.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(parts: Int, to target: DatagramSender.Target, batch: Int) -> [Bench.Entry] {
      func sender(_ operation: DatagramSender.Operation) throws -> DatagramSender {
        try DatagramSender(operation, parts: parts, to: target, on: host, batch: batch)
      }
      return [
        ("SENDMSG", { try sender(.sendmsg) }),
        ("SEND", { try sender(.send) }),
        ("SEND_ZC", { try sender(.sendZeroCopy) }),
        ("SEND_ZC, registered buffer", { try sender(.sendZeroCopyFixed) }),
      ]
    }
    try bench.compare(
      "1400 bytes, device frees them", per: "datagram", entries(parts: 1, to: .sink, batch: 16))
    try bench.compare(
      "46 x 1400 bytes, device frees them", per: "train", fraction: 8, entries(parts: 46, to: .sink, batch: 8)
    )
    try bench.compare(
      "1400 bytes over veth", per: "datagram", entries(parts: 1, to: .peer, batch: 16))
    try bench.compare(
      "46 x 1400 bytes over veth", per: "train", fraction: 8, entries(parts: 46, to: .peer, batch: 8))
  }
}
