package import DataPlane

/// Which flows are meant, as it goes over the socket.
package struct FlowQuery: Codable, Sendable, Equatable {
  package var localPort: UInt16?
  package var remote: String?
  package var remotePort: UInt16?
  package var peer: String?
  package var peerPort: UInt16?
  package var silentSeconds: Double?
  /// The most that a list should have; no more than `limitMax` in any case.
  package var limit: Int?
  /// Said where nothing else is, and every flow is meant.
  package var all: Bool?

  package init() {}

  /// The names of an object's keys.
  private struct KeyNames: Decodable {
    let names: [String]

    private struct AnyKey: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init?(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
      names = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
    }
  }

  /// nil also for a key that is not known: without it, more flows would be meant than was said.
  static func read(_ bytes: [UInt8]) -> FlowQuery? {
    guard let keys = JSON.decode(KeyNames.self, bytes),
      keys.names.allSatisfy({ CodingKeys(stringValue: $0) != nil })
    else { return nil }
    return JSON.decode(FlowQuery.self, bytes)
  }

  /// Whether it says which flows are meant, were it that all are.
  var isSelective: Bool {
    var selecting = self
    selecting.limit = nil
    if all == false { selecting.all = nil }
    return selecting != FlowQuery()
  }

  /// Most flows in one list: some 300 bytes each.
  package static let limitMax = 10_000
  /// What `silentSeconds` may be.
  package static let silenceRange = 0...1e9

  /// What workers understand; nil where an address is none.
  package var selection: FlowSelection? {
    var selection = FlowSelection()
    selection.localPort = localPort
    selection.remotePort = remotePort
    selection.peerPort = peerPort
    if let silentSeconds {
      guard Self.silenceRange.contains(silentSeconds) else { return nil }
      selection.silentNanoseconds = UInt64(silentSeconds * 1e9)
    }
    if let remote {
      guard let address = Address(remote) else { return nil }
      selection.remote = address
    }
    if let peer {
      guard let address = Address(peer) else { return nil }
      selection.peer = address
    }
    return selection
  }
}
