internal import CLiburing
package import Glibc

/// Endpoints as the kernel reads and writes them: `sockaddr_in` and `sockaddr_in6` (ip(7), ipv6(7)).
///
/// An IPv4 peer of a dual-stack socket arrives as `::ffff:a.b.c.d` in a `sockaddr_in6` and becomes the
/// same `Endpoint` as in a `sockaddr_in`. Scope identifiers are not kept. Nothing here allocates.
package enum SocketAddress {
  /// Bytes that hold either form, `sizeof(struct sockaddr_in6)`.
  static let capacity = 28
  private static let lengthIPv4 = 16
  private static let lengthIPv6 = 28

  private enum Offset {
    static let port = 2
    static let addressIPv4 = 4
    static let flowLabel = 4
    static let addressIPv6 = 8
    static let scope = 24
  }

  /// Writes `endpoint` in its own family and returns the length that the kernel wants with it.
  ///
  /// A dual-stack socket takes a `sockaddr_in` as well (`udpv6_sendmsg`). `memory` has room for
  /// `capacity` bytes; alignment does not matter.
  @inline(__always)
  static func write(_ endpoint: Endpoint, to memory: UnsafeMutableRawPointer) -> socklen_t {
    let port = endpoint.port.bigEndian
    if endpoint.address.isIPv4 {
      unsafe memory.storeBytes(of: sa_family_t(AF_INET), as: sa_family_t.self)
      unsafe memory.storeBytes(of: port, toByteOffset: Offset.port, as: UInt16.self)
      unsafe memory.storeBytes(of: endpoint.address.ipv4, toByteOffset: Offset.addressIPv4, as: UInt32.self)
      unsafe memory.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
      return socklen_t(lengthIPv4)
    }
    unsafe memory.storeBytes(of: sa_family_t(AF_INET6), as: sa_family_t.self)
    unsafe memory.storeBytes(of: port, toByteOffset: Offset.port, as: UInt16.self)
    unsafe memory.storeBytes(of: 0, toByteOffset: Offset.flowLabel, as: UInt32.self)
    unsafe memory.storeBytes(of: endpoint.address.high, toByteOffset: Offset.addressIPv6, as: UInt64.self)
    unsafe memory.storeBytes(of: endpoint.address.low, toByteOffset: Offset.addressIPv6 + 8, as: UInt64.self)
    unsafe memory.storeBytes(of: 0, toByteOffset: Offset.scope, as: UInt32.self)
    return socklen_t(lengthIPv6)
  }

  /// Reads what the kernel wrote in `length` bytes; nil for another family or a short address.
  @inline(__always)
  package static func read(_ memory: UnsafeRawPointer, length: Int) -> Endpoint? {
    guard length >= lengthIPv4 else { return nil }
    let family = unsafe memory.loadUnaligned(as: sa_family_t.self)
    let port = UInt16(bigEndian: unsafe memory.loadUnaligned(fromByteOffset: Offset.port, as: UInt16.self))
    if family == sa_family_t(AF_INET) {
      let bytes = unsafe memory.loadUnaligned(fromByteOffset: Offset.addressIPv4, as: UInt32.self)
      return Endpoint(Address(ipv4: bytes), port: port)
    }
    guard family == sa_family_t(AF_INET6), length >= lengthIPv6 else { return nil }
    let high = unsafe memory.loadUnaligned(fromByteOffset: Offset.addressIPv6, as: UInt64.self)
    let low = unsafe memory.loadUnaligned(fromByteOffset: Offset.addressIPv6 + 8, as: UInt64.self)
    return Endpoint(Address(high: high, low: low), port: port)
  }
}

extension SocketAddress {
  /// The address out of what the C library has filled in; nil for another family than IPv4 and IPv6.
  package static func address(of name: UnsafePointer<sockaddr>?) -> Address? {
    guard let name = unsafe name else { return nil }
    let length: Int
    switch unsafe Int32(name.pointee.sa_family) {
    case AF_INET: length = MemoryLayout<sockaddr_in>.size
    case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
    default: return nil
    }
    return unsafe read(UnsafeRawPointer(name), length: length)?.address
  }

  /// Gives a socket its address (bind(2)).
  package static func bind(_ descriptor: Int32, to local: Endpoint) throws(KernelError) {
    try unsafe with(local) { (address, length) throws(KernelError) in
      try KernelError.checkErrno("bind(\(local))", unsafe Glibc.bind(descriptor, address, length))
    }
  }

  /// Lets a socket exchange with `remote` alone (connect(2)).
  package static func connect(_ descriptor: Int32, to remote: Endpoint) throws(KernelError) {
    try unsafe with(remote) { (address, length) throws(KernelError) in
      try KernelError.checkErrno("connect(\(remote))", unsafe Glibc.connect(descriptor, address, length))
    }
  }

  private static func with(
    _ endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(KernelError) -> Void
  ) throws(KernelError) {
    var storage = sockaddr_in6()
    let length = unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe write(endpoint, to: $0.baseAddress!)
    }
    try unsafe withUnsafePointer(to: &storage) { (pointer) throws(KernelError) in
      // Safety: sockaddr is the common initial sequence of every socket address.
      try unsafe body(UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), length)
    }
  }

  /// Appends the control message that makes a datagram leave from `source` (IP_PKTINFO, IPV6_PKTINFO);
  /// returns the offset behind it. Room: 40 bytes.
  @inline(__always)
  static func putSource(_ source: Address, into control: UnsafeMutableRawPointer, at offset: Int) -> Int {
    var source = source
    if source.isIPv4 {
      var four = source.ipv4
      return unsafe withUnsafeBytes(of: &four) {
        unsafe guise_put_source4(control, offset, $0.baseAddress!.assumingMemoryBound(to: UInt8.self))
      }
    }
    return unsafe withUnsafeBytes(of: &source) {
      unsafe guise_put_source6(control, offset, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), 0)
    }
  }

  /// The local address that control messages named; nil when they named none.
  @inline(__always)
  static func localAddress(_ arrival: guise_arrival) -> Address? {
    var bytes = arrival.local_address
    switch Int32(arrival.local_family) {
    case AF_INET:
      return Address(ipv4: unsafe withUnsafeBytes(of: &bytes) { unsafe $0.loadUnaligned(as: UInt32.self) })
    case AF_INET6:
      return unsafe withUnsafeBytes(of: &bytes) { unsafe $0.loadUnaligned(as: Address.self) }
    default: return nil
    }
  }
}
