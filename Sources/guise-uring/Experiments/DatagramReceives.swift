/// How datagrams are best received.
enum DatagramReceives: Experiment {
  static let name = "udp-receive"
  static let question =
    "multishot recvmsg against multishot recv and one-shot requests, with and without UDP_GRO"
  static let decision = "0009-udp-receive.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(_ load: DatagramReceiver.Load) -> [Bench.Entry] {
      [
        ("RECVMSG multishot", { try DatagramReceiver(.recvmsgMultishot, load, on: host) }),
        ("RECV multishot", { try DatagramReceiver(.recvMultishot, load, on: host) }),
        ("RECVMSG", { try DatagramReceiver(.recvmsg, load, on: host) }),
        ("RECV", { try DatagramReceiver(.recv, load, on: host) }),
      ]
    }
    try bench.compare("lone datagrams of 1400 bytes", per: "datagram", entries(.init(batch: 32)))
    try bench.compare(
      "trains of 40, UDP_GRO", per: "train", fraction: 8, entries(.init(parts: 40, isMerged: true, batch: 16))
    )
    try bench.compare(
      "trains of 40, no UDP_GRO", per: "datagram", entries(.init(parts: 40, isMerged: false, batch: 1)))
  }
}
