import CLiburing
import Glibc
import Testing

@testable import DataPlane

@Suite struct LinkUDPSocketTests {
  private static let loopback4 = Address("127.0.0.1")!
  private static let loopback6 = Address("::1")!

  @Test(arguments: [loopback4, loopback6])
  func aBoundSocketHasTheAddressAndAPortOfTheKernels(address: Address) throws {
    let socket = try bound(address)
    defer { close(socket) }
    let local = try UDPSocket.localEndpoint(of: socket)
    #expect(local.address == address)
    #expect(local.port != 0)
    #expect(fcntl(socket, F_GETFL) & O_NONBLOCK != 0)
    #expect(fcntl(socket, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test func aTakenPortIsRefusedUnlessBothShareIt() throws {
    let first = try UDPSocket.bound(to: Endpoint(Self.loopback4, port: 0), reusePort: true, offload: false)
    defer { close(first) }
    let local = try UDPSocket.localEndpoint(of: first)
    let second = try UDPSocket.bound(to: local, reusePort: true, offload: false)
    defer { close(second) }
    #expect(throws: KernelError("bind(\(local))", errno: EADDRINUSE)) {
      try UDPSocket.bound(to: local, reusePort: false, offload: false)
    }
  }

  @Test func aShutSocketGetsNothingBeforeItIsLetIn() throws {
    let socket = try UDPSocket.bound(
      to: Endpoint(Self.loopback4, port: 0), reusePort: true, offload: false, isShut: true)
    defer { close(socket) }
    let sender = try UDPSocket.connected(
      to: try UDPSocket.localEndpoint(of: socket), from: nil, offload: false)
    defer { close(sender) }
    #expect(unsafe send(sender, [1], 1, 0) == 1)
    try SocketFilter.dropNothing(socket)
    #expect(unsafe send(sender, [2, 2], 2, 0) == 2)
    #expect(receive(socket)?.count == 2)
  }

  @Test func buffersAreLargeEvenWhereTheSystemsBoundIsSmall() throws {
    guard geteuid() == 0 else { return }
    let socket = try bound(Self.loopback4)
    defer { close(socket) }
    // The kernel doubles what is asked for (socket(7)).
    #expect(option(socket, SOL_SOCKET, SO_RCVBUF) == 2 * 8 << 20)
    #expect(option(socket, SOL_SOCKET, SO_SNDBUF) == 2 * 4 << 20)
  }

  @Test func onlyAnUnspecifiedAddressReportsDestinations() throws {
    let any = try bound(Address("0.0.0.0")!)
    defer { close(any) }
    let one = try bound(Self.loopback4)
    defer { close(one) }
    #expect(option(any, Int32(IPPROTO_IP), IP_PKTINFO) == 1)
    #expect(option(one, Int32(IPPROTO_IP), IP_PKTINFO) == 0)
  }

  @Test func aDualStackSocketTakesBothFamiliesAndTellsWhereTheyCameTo() throws {
    let any = try bound(.unspecified)
    defer { close(any) }
    let port = try UDPSocket.localEndpoint(of: any).port
    for address in [Self.loopback4, Self.loopback6] {
      let sender = try UDPSocket.connected(to: Endpoint(address, port: port), from: nil, offload: false)
      defer { close(sender) }
      #expect(unsafe send(sender, [7, 7, 7], 3, 0) == 3)

      let received = try #require(receive(any))
      #expect(received.count == 3)
      #expect(received.from == (try UDPSocket.localEndpoint(of: sender)))
      #expect(received.localAddress == address)

      // The answer may be addressed in the sender's own family.
      #expect(answer(any, to: received.from) == 1)
      #expect(receive(sender)?.count == 1)
    }
  }

  @Test func aConnectedSocketLeavesFromTheAddressAskedFor() throws {
    let service = try UDPSocket.bound(to: Endpoint(Self.loopback4, port: 0), reusePort: false, offload: true)
    defer { close(service) }
    let local = try #require(Address("127.0.0.9"))
    let flow = try UDPSocket.connected(
      to: try UDPSocket.localEndpoint(of: service), from: local, offload: true)
    defer { close(flow) }
    #expect(try UDPSocket.localEndpoint(of: flow).address == local)
    #expect(option(flow, Int32(GUISE_SOL_UDP), Int32(GUISE_UDP_GRO)) == 1)
    #expect(unsafe send(flow, [1], 1, 0) == 1)
    #expect(receive(service)?.from.address == local)
  }

  @Test(arguments: [loopback4, loopback6])
  func anAddressGivesItsSocketsPortsOfTheKernels(address: Address) throws {
    let service = try bound(address)
    defer { close(service) }
    let remote = try UDPSocket.localEndpoint(of: service)
    let flows = try (0..<50).map { _ in try UDPSocket.connected(to: remote, from: address, offload: false) }
    defer { for flow in flows { close(flow) } }
    let ends = try flows.map { try UDPSocket.localEndpoint(of: $0) }
    #expect(ends.allSatisfy { $0.address == address && $0.port != 0 })
    #expect(Set(ends).count == 50)
  }

  @Test func flowsTakeTheSourceAddressesInTurn() throws {
    let service = try bound(Self.loopback4)
    defer { close(service) }
    let sources = [2, 3, 4].map { Address("127.0.0.\($0)")! }
    var sockets = FlowSockets(
      service: try UDPSocket.localEndpoint(of: service), sources: sources, first: 4, offload: false)
    var seen: [Address] = []
    for _ in 0..<6 {
      let (flow, local) = try sockets.open(at: nil)
      defer { close(flow) }
      #expect(try UDPSocket.localEndpoint(of: flow) == local)
      seen.append(local.address)
    }
    #expect(seen == [1, 2, 0, 1, 2, 0].map { sources[$0] })
  }

  @Test func aFlowsSuccessorHasItsPortWhileTheDeadProcessStillHasIt() throws {
    let service = try bound(Self.loopback4)
    defer { close(service) }
    var sockets = FlowSockets(
      service: try UDPSocket.localEndpoint(of: service), sources: [], first: 0, offload: false)
    let (dead, local) = try sockets.open(at: nil)
    defer { close(dead) }
    let (flow, place) = try sockets.open(at: local)
    defer { close(flow) }
    #expect(place == local)
    #expect(try UDPSocket.localEndpoint(of: flow) == local)
    // Nobody gets it by chance.
    let others = try (0..<50).map { _ in try sockets.open(at: nil) }
    defer { for other in others { close(other.descriptor) } }
    #expect(Set(others.map(\.local)).count == 50 && !others.contains { $0.local == local })
  }

  @Test func aPortThatAStrangerHasIsRefusedToAFlow() throws {
    let service = try bound(Self.loopback4)
    defer { close(service) }
    let stranger = try bound(Self.loopback4)
    defer { close(stranger) }
    var sockets = FlowSockets(
      service: try UDPSocket.localEndpoint(of: service), sources: [], first: 0, offload: false)
    let taken = try UDPSocket.localEndpoint(of: stranger)
    let error = #expect(throws: KernelError.self) { try sockets.open(at: taken) }
    #expect(error?.errno == EADDRINUSE)
  }

  @Test func aSourceThatIsNotOnThisHostIsRefusedByName() throws {
    let service = try bound(Self.loopback4)
    defer { close(service) }
    let stranger = Address("192.0.2.77")!
    #expect(throws: KernelError("bind(192.0.2.77:0)", errno: EADDRNOTAVAIL)) {
      try UDPSocket.connected(to: try UDPSocket.localEndpoint(of: service), from: stranger, offload: false)
    }
  }

  // MARK: - System calls

  private func bound(_ address: Address) throws(KernelError) -> Int32 {
    try UDPSocket.bound(to: Endpoint(address, port: 0), reusePort: false, offload: false)
  }

  private struct Received {
    var count: Int
    var from: Endpoint
    var localAddress: Address?
  }

  private func receive(_ descriptor: Int32) -> Received? {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 16)
    defer { unsafe memory.deallocate() }
    let control = unsafe memory + 64
    var vector = unsafe iovec(iov_base: memory + 256, iov_len: 256)
    var header = unsafe msghdr()
    unsafe header.msg_name = memory
    unsafe header.msg_namelen = 28
    unsafe header.msg_control = control
    unsafe header.msg_controllen = 128
    unsafe header.msg_iovlen = 1
    let count = unsafe withUnsafeMutablePointer(to: &vector) {
      unsafe header.msg_iov = $0
      return unsafe recvmsg(descriptor, &header, 0)
    }
    guard count >= 0, let from = unsafe SocketAddress.read(memory, length: Int(header.msg_namelen)) else {
      return nil
    }
    let arrival = unsafe guise_read_control(control, header.msg_controllen)
    var bytes = arrival.local_address
    let address = unsafe withUnsafeBytes(of: &bytes) { raw -> Address? in
      switch Int32(arrival.local_family) {
      case AF_INET: Address(ipv4: unsafe raw.loadUnaligned(as: UInt32.self))
      case AF_INET6: unsafe raw.loadUnaligned(as: Address.self)
      default: nil
      }
    }
    return Received(count: count, from: from, localAddress: address)
  }

  private func answer(_ descriptor: Int32, to peer: Endpoint) -> Int {
    var storage = sockaddr_in6()
    let length = unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe SocketAddress.write(peer, to: $0.baseAddress!)
    }
    return unsafe withUnsafePointer(to: &storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe sendto(descriptor, [9], 1, 0, $0, length)
      }
    }
  }

  private func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
    var value: Int32 = -1
    var length = socklen_t(MemoryLayout<Int32>.size)
    return unsafe getsockopt(descriptor, level, name, &value, &length) == 0 ? value : -1
  }
}
