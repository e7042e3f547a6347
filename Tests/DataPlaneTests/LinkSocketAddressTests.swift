import Glibc
import Testing

@testable import DataPlane

@Suite struct LinkSocketAddressTests {
  @Test(arguments: ["192.0.2.7", "255.255.255.255", "2001:db8::1:2", "::1", "::", "0.0.0.0"])
  func writingThenReadingGivesTheSameEndpoint(text: String) throws {
    let endpoint = Endpoint(try #require(Address(text)), port: 0xabcd)
    // One byte off any alignment, as behind a header in a receive buffer.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
    defer { unsafe memory.deallocate() }
    let length = unsafe SocketAddress.write(endpoint, to: memory + 1)
    #expect(Int(length) <= SocketAddress.capacity)
    #expect(unsafe SocketAddress.read(memory + 1, length: Int(length)) == endpoint)
  }

  @Test func theLayoutIsTheCLibrarys() throws {
    var four = sockaddr_in()
    let fourLength = unsafe withUnsafeMutableBytes(of: &four) {
      unsafe SocketAddress.write(Endpoint(Address("192.0.2.7")!, port: 4567), to: $0.baseAddress!)
    }
    #expect(Int(fourLength) == MemoryLayout<sockaddr_in>.size)
    #expect(four.sin_family == sa_family_t(AF_INET))
    #expect(four.sin_port == UInt16(4567).bigEndian)
    #expect(unsafe four.sin_addr.s_addr == inet_addr("192.0.2.7"))

    var six = sockaddr_in6()
    let sixLength = unsafe withUnsafeMutableBytes(of: &six) {
      unsafe SocketAddress.write(Endpoint(Address("2001:db8::1")!, port: 4567), to: $0.baseAddress!)
    }
    #expect(Int(sixLength) == MemoryLayout<sockaddr_in6>.size)
    #expect(SocketAddress.capacity == MemoryLayout<sockaddr_in6>.size)
    #expect(six.sin6_family == sa_family_t(AF_INET6))
    var expected = in6_addr()
    #expect(unsafe inet_pton(AF_INET6, "2001:db8::1", &expected) == 1)
    #expect(
      unsafe withUnsafeBytes(of: &six.sin6_addr) { unsafe Array($0) }
        == withUnsafeBytes(of: &expected) { unsafe Array($0) })
  }

  @Test func aMappedAddressReadsAsIPv4() throws {
    var six = sockaddr_in6()
    six.sin6_family = sa_family_t(AF_INET6)
    six.sin6_port = UInt16(53).bigEndian
    #expect(unsafe inet_pton(AF_INET6, "::ffff:192.0.2.9", &six.sin6_addr) == 1)
    let read = unsafe withUnsafeBytes(of: &six) {
      unsafe SocketAddress.read($0.baseAddress!, length: $0.count)
    }
    #expect(read == Endpoint(Address("192.0.2.9")!, port: 53))
  }

  @Test func aLinkLocalScopeDoesNotTrap() throws {
    var six = sockaddr_in6()
    six.sin6_family = sa_family_t(AF_INET6)
    six.sin6_scope_id = 7
    #expect(unsafe inet_pton(AF_INET6, "fe80::1", &six.sin6_addr) == 1)
    let read = unsafe withUnsafeBytes(of: &six) {
      unsafe SocketAddress.read($0.baseAddress!, length: $0.count)
    }
    #expect(read?.address == Address("fe80::1"))
  }

  @Test func shortOrForeignAddressesAreRefused() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 32, alignment: 8)
    defer { unsafe memory.deallocate() }
    let length = unsafe SocketAddress.write(Endpoint(Address("2001:db8::1")!, port: 1), to: memory)
    for short in 0..<Int(length) { #expect(unsafe SocketAddress.read(memory, length: short) == nil) }
    unsafe memory.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
    #expect(unsafe SocketAddress.read(memory, length: 28) == nil)
  }
}
