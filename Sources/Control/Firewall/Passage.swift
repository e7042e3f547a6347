/// The packets that a gateway has forwarded, as far as rules look at them.
struct Passage {
  /// guise's own device.
  let device: String
  /// Where packets leave and enter the host, if that is known.
  let egress: String?
  let isClient: Bool
  let isServer: Bool

  struct Packet: Equatable {
    /// Interfaces' names; nil where they are not known.
    var input: String?
    var output: String?
    /// Words of `ct state` and `ct status`.
    var state: String
    var isTranslated = false
    /// In words, for the operator: where it goes.
    var direction: String
  }

  /// The first packets, and those that answer them. A client's flows begin here, a server's elsewhere.
  var packets: [Packet] {
    let from = Packet(input: device, output: egress, state: "new", direction: "from")
    let to = Packet(input: egress, output: device, state: "new", direction: "to")
    var packets: [Packet] = []
    if isClient { packets += [from, Self.answer(to)] }
    if isServer {
      var first = to
      first.isTranslated = true
      packets += [first, Self.answer(from)]
    }
    return packets
  }

  private static func answer(_ packet: Packet) -> Packet {
    var packet = packet
    packet.state = "established"
    return packet
  }
}
