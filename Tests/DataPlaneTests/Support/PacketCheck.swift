import Testing

@testable import DataPlane

/// One thing that must be true of a packet. Several are asserted together with `expectPacket`.
struct PacketCheck {
  /// Nil when it holds, otherwise what was found in place of what.
  let complaint: (Packet) -> String?

  private static func equal<T: Equatable>(_ name: String, _ wanted: T, _ value: @escaping (Packet) -> T)
    -> Self
  {
    PacketCheck { packet in
      let found = value(packet)
      return found == wanted ? nil : "\(name) is \(found), not \(wanted)"
    }
  }

  static func from(_ endpoint: Endpoint) -> Self { equal("source", endpoint) { $0.source } }
  static func to(_ endpoint: Endpoint) -> Self { equal("destination", endpoint) { $0.destination } }
  static func flags(_ flags: TCPFlags) -> Self { equal("flags", flags) { $0.flags } }
  static func sequence(_ number: UInt32) -> Self { equal("sequence", number) { $0.sequence } }
  static func acknowledgement(_ number: UInt32) -> Self {
    equal("acknowledgement", number) { $0.acknowledgement }
  }
  static func payload(_ bytes: [UInt8]) -> Self { equal("payload", bytes) { $0.payload } }
  static var noPayload: Self { payload([]) }

  /// Everything that is the same in every packet of stock: TTL 64, DF, ID 0, TOS 0, window 0xffff, no options
  /// but those of a SYN.
  static var stockShape: Self {
    all([
      equal("TTL", 64) { $0.timeToLive },
      equal("identification", 0) { $0.identification },
      equal("type of service", 0) { $0.typeOfService },
      equal("fragment field", 0x4000) { $0.fragmentField },
      equal("IP options", []) { $0.ipOptions },
      equal("window", 0xffff) { $0.window },
      PacketCheck { packet in
        let wanted = packet.flags.contains(.syn) ? Packet.synOptions : []
        return packet.options == wanted ? nil : "TCP options are \(packet.options), not \(wanted)"
      },
    ])
  }

  static func all(_ checks: [Self]) -> Self {
    PacketCheck { packet in
      let complaints = checks.compactMap { $0.complaint(packet) }
      return complaints.isEmpty ? nil : complaints.joined(separator: "; ")
    }
  }
}

/// Asserts that `bytes` are a whole TCP packet with right checksums of which every check holds.
@discardableResult
func expectPacket(
  _ bytes: [UInt8]?, _ checks: PacketCheck..., sourceLocation: SourceLocation = #_sourceLocation
) -> Packet? {
  guard let bytes else {
    Issue.record("there is no packet", sourceLocation: sourceLocation)
    return nil
  }
  guard let packet = Packet(bytes) else {
    Issue.record("not a TCP packet with right checksums: \(bytes)", sourceLocation: sourceLocation)
    return nil
  }
  if let complaint = PacketCheck.all(checks).complaint(packet) {
    Issue.record("\(complaint) in \(packet)", sourceLocation: sourceLocation)
  }
  return packet
}
