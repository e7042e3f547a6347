package import DataPlane
internal import Glibc

/// Turns a `HostPort` into an endpoint, by getaddrinfo(3) where it is a name.
package enum HostResolution {
  /// The first address, in the order that getaddrinfo gives (RFC 6724), whose family is in `families`.
  ///
  /// `purpose` names the option in the error's text. May wait for DNS.
  package static func endpoint(
    of target: HostPort, families: Set<AddressFamily>, purpose: String
  ) throws(SetupError) -> Endpoint {
    switch target.host {
    case .address(let address):
      guard families.contains(address.family) else {
        throw .familyUnavailable(option: purpose, target: "\(target)", family: address.family)
      }
      return Endpoint(address, port: target.port)
    case .name(let name):
      let addresses = try lookUp(name, purpose: purpose)
      guard let address = addresses.first(where: { families.contains($0.family) }) else {
        throw .familyUnavailable(option: purpose, target: "\(target)", family: addresses[0].family)
      }
      return Endpoint(address, port: target.port)
    }
  }

  /// All addresses of a name in these families, best first; empty where there are none at the moment.
  static func addresses(of target: HostPort, families: Set<AddressFamily>) -> [Address] {
    guard case .name(let name) = target.host else { return [] }
    let found = (try? lookUp(name, purpose: "--remote")) ?? []
    return found.filter {
      families.contains($0.family) && !$0.isUnspecified && !$0.isMulticast && !$0.isLoopback
    }
  }

  /// All addresses of a name; never empty.
  private static func lookUp(_ name: String, purpose: String) throws(SetupError) -> [Address] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let result = unsafe getaddrinfo(name, nil, &hints, &list)
    guard result == 0 else {
      let reason =
        unsafe result == EAI_SYSTEM ? String(cString: strerror(errno)) : String(cString: gai_strerror(result))
      throw .unresolved(option: purpose, name: name, reason: reason)
    }
    defer { unsafe freeaddrinfo(list) }

    var addresses: [Address] = []
    var next = unsafe list
    while let entry = unsafe next {
      if let address = unsafe SocketAddress.address(of: entry.pointee.ai_addr) { addresses.append(address) }
      unsafe next = entry.pointee.ai_next
    }
    guard !addresses.isEmpty else {
      throw .unresolved(option: purpose, name: name, reason: "it has no address")
    }
    return addresses
  }
}
