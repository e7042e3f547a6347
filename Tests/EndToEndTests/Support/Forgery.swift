/// Packets that an attacker, a broken host or a stale connection might send.
enum Forgery {
  /// Packets with the addresses and ports of a live flow, or nearly, and something wrong about each.
  static func packets(like live: Segment) -> [[UInt8]] {
    // Within what connection tracking takes for possible (1 GiB ahead), and beyond it: a FIN within
    // would end the flow for the kernel, and data within would move its window, whoever sent them.
    let near = live.sequence &+ 0x3000_0000
    let far = live.sequence &+ 0x7fff_0000
    let junk = Array("forged".utf8)
    let segments: [Segment] = [
      // Resets that do not say what only the peer can know.
      live.with { ($0.flags, $0.sequence, $0.payload) = (.rst, 0, []) },
      live.with { ($0.flags, $0.sequence, $0.payload) = (.rst, near, []) },
      live.with {
        ($0.flags, $0.sequence, $0.payload) = ([.rst, .ack], near, [])
        $0.acknowledgement &+= 0x3000_0000
      },
      // Openings and closings in the middle of a flow.
      live.with { ($0.flags, $0.sequence, $0.acknowledgement, $0.payload) = (.syn, far, 0, []) },
      live.with { ($0.flags, $0.sequence, $0.payload) = ([.syn, .ack], far, []) },
      live.with { ($0.flags, $0.sequence, $0.payload) = ([.fin, .ack], far, []) },
      live.with { ($0.flags, $0.sequence, $0.payload) = ([], far, []) },
      live.with { ($0.flags, $0.sequence, $0.payload) = ([.fin, .syn, .rst, .psh, .ack, .urg], far, []) },
      // Data that arrived damaged.
      live.with { ($0.checksumError, $0.payload) = (1, junk) },
      // Headers that contradict their packet.
      live.with { ($0.dataOffset, $0.payload) = (4, junk) },
      live.with { ($0.dataOffset, $0.payload) = (15, junk) },
      // Data for a flow that is not.
      live.with {
        if live.sourcePort == 4567 { $0.destinationPort ^= 0x0101 } else { $0.sourcePort ^= 0x0101 }
        $0.payload = junk
      },
    ]
    let whole = live.with { $0.payload = junk }.packet
    var otherProtocol = whole
    otherProtocol[9] = 253
    var fragment = whole
    (fragment[6], fragment[7]) = (0x20, 0x00)
    var laterFragment = whole
    (laterFragment[6], laterFragment[7]) = (0x00, 0x10)
    return segments.map(\.packet) + [Array(whole.prefix(30)), otherProtocol, fragment, laterFragment]
  }
}
