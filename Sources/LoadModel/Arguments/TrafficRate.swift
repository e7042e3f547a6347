/// How fast a sender goes.
package enum TrafficRate: Equatable, Sendable {
  /// As fast as the kernel takes datagrams.
  case unlimited
  /// Payload bits a second, over all flows.
  case bitsPerSecond(Double)
  /// Datagrams a second, over all flows.
  case datagramsPerSecond(Double)

  /// Parses `max`, `400M` and `1.2G` (payload bits a second), `20000p` and `20kp` (datagrams a second).
  ///
  /// Prefixes are decimal: k, M and G, case aside. Nil for anything else, and for 0.
  package init?(_ text: String) {
    if text == "max" {
      self = .unlimited
      return
    }
    var number = Substring(text)
    let isDatagrams = number.last == "p"
    if isDatagrams { number.removeLast() }
    var scale = 1.0
    switch number.last {
    case "k", "K": scale = 1e3
    case "m", "M": scale = 1e6
    case "g", "G": scale = 1e9
    default: break
    }
    if scale > 1 { number.removeLast() }
    guard !number.isEmpty, number.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
      let value = Double(number), value > 0, value.isFinite
    else { return nil }
    self = isDatagrams ? .datagramsPerSecond(value * scale) : .bitsPerSecond(value * scale)
  }
}

extension TrafficRate: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unlimited: "max"
    case .bitsPerSecond(let rate): Figures.bitRate(rate)
    case .datagramsPerSecond(let rate): "\(Figures.decimal(rate, places: 0)) datagrams/s"
    }
  }
}
