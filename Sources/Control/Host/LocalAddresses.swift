internal import DataPlane
internal import Glibc

/// An address of the host's that others can reach.
struct LocalAddress {
  /// With its device.
  let outlet: Outlet
  /// It, and what is on the same link.
  let network: AddressPrefix

  /// Whether `other`, of another device, lies in the same network, so that answers may leave by either.
  func sharesNetwork(with other: LocalAddress) -> Bool {
    let (mine, theirs) = (network, other.network)
    return outlet.device != other.outlet.device
      && (mine.contains(theirs.address) || theirs.contains(mine.address))
  }
}

/// The addresses that this host has now, as the kernel says without the help of ip(8).
enum LocalAddresses {
  /// The addresses that others can reach, with their devices: none of loopback, none on `except`, and one that is valid on
  /// one link only (RFC 3927) where an IPv4 device has no other. Empty where the kernel refuses to tell (getifaddrs(3)).
  static func reachable(_ family: AddressFamily, except: Set<String>) -> [LocalAddress] {
    let found = all(family, except: except)
    return found.filter { one in
      let hasOthers = found.contains {
        $0.outlet.device == one.outlet.device && !$0.outlet.address.isLinkLocal
      }
      return !one.outlet.address.isLinkLocal || !hasOthers
    }
  }

  /// These and the others of such a device. Those of IPv6 that are valid on one link only are no use without its name.
  static func all(_ family: AddressFamily, except: Set<String>) -> [LocalAddress] {
    var found: [LocalAddress] = []
    unsafe forEachOnDeviceThatIsUp { device, entry in
      guard !except.contains(device),
        let address = unsafe SocketAddress.address(of: entry.ifa_addr), address.family == family,
        !address.isLoopback, family == .ipv4 || !address.isLinkLocal
      else { return }
      let mask = unsafe SocketAddress.address(of: entry.ifa_netmask)
      let length = mask?.bytes.reduce(0) { $0 + $1.nonzeroBitCount } ?? address.bytes.count * 8
      found.append(
        LocalAddress(
          outlet: Outlet(device: device, address: address),
          network: AddressPrefix(address, length: length)))
    }
    return found
  }

  /// Each device and each of its addresses, of every family, are an entry; there is none where the kernel refuses to tell.
  private static func forEachOnDeviceThatIsUp(_ body: (_ device: String, ifaddrs) -> Void) {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return }
    defer { unsafe freeifaddrs(list) }
    var next = unsafe list
    while let entry = unsafe next {
      unsafe next = entry.pointee.ifa_next
      guard unsafe entry.pointee.ifa_flags & UInt32(IFF_UP) != 0 else { continue }
      unsafe body(String(cString: entry.pointee.ifa_name), entry.pointee)
    }
  }

  /// The names of all devices.
  static var devices: [String] {
    guard let list = unsafe if_nameindex() else { return [] }
    defer { unsafe if_freenameindex(list) }
    var names: [String] = []
    var next = unsafe list
    while let name = unsafe next.pointee.if_name {
      unsafe names.append(String(cString: name))
      unsafe next += 1
    }
    return names
  }

  /// Whether a device is up, by its operator's will.
  static func isUp(_ device: String) -> Bool {
    var isUp = false
    unsafe forEachOnDeviceThatIsUp { name, _ in if name == device { isUp = true } }
    return isUp
  }

  /// Whether others can reach this host by `address`.
  static func has(_ address: Address) -> Bool {
    all(address.family, except: []).contains { $0.outlet.address == address }
  }

  /// Whether it is at that device that others can reach that address.
  static func has(_ outlet: Outlet) -> Bool {
    all(outlet.address.family, except: []).contains { $0.outlet == outlet }
  }

  /// The address that packets to `remote`, with `mark` if they have one, leave with now; nil where there is no way.
  static func source(to remote: Address, mark: UInt32?) -> Address? {
    let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = socket(remote.isIPv4 ? AF_INET : AF_INET6, kind, 0)
    guard socket >= 0 else { return nil }
    defer { close(socket) }
    do throws(KernelError) {
      if let mark {
        try SocketOption.set(socket, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark), "setsockopt(SO_MARK)")
      }
      try SocketAddress.connect(socket, to: Endpoint(remote, port: 9))
      return try UDPSocket.localEndpoint(of: socket).address
    } catch {
      return nil
    }
  }
}
