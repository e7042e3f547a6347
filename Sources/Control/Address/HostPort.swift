package import DataPlane

/// A host, by name or by address, and a port, as operators write them: `example.org:4567`,
/// `192.0.2.1:4567`, `[2001:db8::1]:4567`.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
  package enum Host: Hashable, Sendable {
    case address(Address)
    case name(String)
  }

  package let host: Host
  package let port: UInt16

  package init(_ host: Host, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// What is wrong with the text, and how it should look.
  package struct Malformed: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  /// Parses `HOST:PORT`; an IPv6 address stands in brackets.
  package init(_ text: String) throws(Malformed) {
    guard let colon = text.lastIndex(of: ":") else {
      throw Malformed(description: "there is no port: write HOST:PORT, as in 192.0.2.1:4567")
    }
    var host = String(text[..<colon])
    port = try Self.port(String(text[text.index(after: colon)...]))

    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard let address = Address(host), host.contains(":") else {
        throw Malformed(description: "'\(host)' between the brackets is not an IPv6 address")
      }
      self.host = .address(address)
      return
    }
    guard !host.contains(":") else {
      throw Malformed(description: "an IPv6 address needs brackets: write [2001:db8::1]:4567")
    }
    if let address = Address(host) {
      self.host = .address(address)
    } else if Self.isPlausibleName(host) {
      self.host = .name(host)
    } else {
      throw Malformed(description: "'\(host)' is neither an address nor a host name")
    }
  }

  /// Parses a port number, 1...65535.
  package static func port(_ text: String) throws(Malformed) -> UInt16 {
    guard let port = UInt16(text), port != 0, text.first != "+" else {
      throw Malformed(description: "'\(text)' is not a port: use a number from 1 to 65535")
    }
    return port
  }

  /// Parses `PORT` or `ADDRESS:PORT`, by which something is told where to listen. No address in front: nil.
  /// - Parameter example: the address that an error advises where a name is in its place.
  static func listening(
    _ text: String, example: String
  ) throws(Malformed) -> (address: Address?, port: UInt16) {
    guard text.contains(":") else { return (nil, try port(text)) }
    let both = try HostPort(text)
    guard case .address(let address) = both.host else {
      throw Malformed(
        description: "'\(text)' has no address in front of the port: write \(example):\(both.port)")
    }
    return (address, both.port)
  }

  /// Whether one of the two alone can be had on a host, as far as that can be told without looking up names. `[::]` is
  /// all addresses of both families, 0.0.0.0 those of IPv4 (ipv6(7)).
  package func overlaps(_ other: HostPort) -> Bool {
    guard port == other.port else { return false }
    guard case .address(let a) = host, case .address(let b) = other.host else { return host == other.host }
    return a == b || a.includes(b) || b.includes(a)
  }

  /// Letters, digits, `-`, `_` and dots; something like 300.1.2.3 is a mistyped address, not a name.
  private static func isPlausibleName(_ text: String) -> Bool {
    guard (1...253).contains(text.utf8.count), text.utf8.allSatisfy(\.isNameByte),
      let last = text.split(separator: ".").last
    else { return false }
    return !last.allSatisfy(\.isNumber)
  }

  package var description: String {
    switch host {
    case .address(let address): Endpoint(address, port: port).description
    case .name(let name): "\(name):\(port)"
    }
  }
}

extension Address {
  /// Whether it stands for all addresses, among them another one.
  fileprivate func includes(_ other: Address) -> Bool { isUnspecified && (!isIPv4 || other.isIPv4) }
}
