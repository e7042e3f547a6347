/// Connection tracking's opinion of the traffic, per namespace.
enum Conntrack {
  /// Packets called INVALID so far: the `invalid` column of `/proc/net/stat/nf_conntrack`, one line of
  /// hexadecimal numbers per CPU.
  static func invalidPackets(in host: Namespace) throws -> Int {
    let table = try host.run("cat", "/proc/net/stat/nf_conntrack")
      .split(separator: "\n").map { $0.split(separator: " ") }
    guard let column = table.first?.firstIndex(of: "invalid") else {
      throw CommandFailure(description: "no `invalid` column in /proc/net/stat/nf_conntrack")
    }
    return table.dropFirst().reduce(0) { $0 + (Int($1[column], radix: 16) ?? 0) }
  }

  /// Packets that a gateway's own rules counted as INVALID: the named counter `invalid` of its table, where it has one.
  static func invalidPacketsCounted(by gateway: Gateway) throws -> Int {
    let table = try "guise_\(gateway.device)"
    guard try gateway.host.run("nft", "list", "tables").contains("inet \(table)\n") else { return 0 }
    let text = try gateway.host.run("nft", "list", "counter", "inet", table, "invalid")
    guard let number = text.firstMatch(of: /packets (\d+)/), let packets = Int(number.1) else {
      throw CommandFailure(description: "no packet count in: \(text)")
    }
    return packets
  }
}
