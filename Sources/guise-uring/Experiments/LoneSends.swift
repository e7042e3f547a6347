/// Whether a datagram without control messages needs a message header.
enum LoneSends: Experiment {
  static let name = "lone-sends"
  static let question = "SENDMSG against SEND for lone datagrams on a connected socket"
  static let decision = "0017-lone-sends.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    for (label, target) in [("device frees them", DatagramSender.Target.sink), ("over veth", .peer)] {
      try bench.compare(
        "1400 bytes, \(label)", per: "datagram",
        [
          ("SENDMSG", { try DatagramSender(.sendmsg, parts: 1, to: target, on: host, batch: 32) }),
          ("SEND", { try DatagramSender(.send, parts: 1, to: target, on: host, batch: 32) }),
        ])
    }
  }
}
