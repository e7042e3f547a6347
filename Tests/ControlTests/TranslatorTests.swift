import DataPlane
import Foundation
import Testing

@testable import Control

/// The program for what comes from the network, run by the kernel (BPF_PROG_TEST_RUN) on packets made here. The other
/// one, which asks for routes, is seen at work in the end-to-end tests.
@Suite(.enabled(if: NetworkNamespaceFixture.isPossible))
struct TranslatorTests {
  /// What a program gives: TC_ACT_REDIRECT, TC_ACT_UNSPEC.
  private static let (redirect, next): (Int32, Int32) = (7, -1)

  /// One family's addresses.
  struct Network: Sendable, CustomTestStringConvertible {
    let family: AddressFamily
    let (inner, outer, remote, stranger): (Address, Address, Address, Address)
    var testDescription: String { "\(family)" }

    init(_ family: AddressFamily, _ addresses: String...) {
      self.family = family
      let all = addresses.map { Address($0)! }
      (inner, outer, remote, stranger) = (all[0], all[1], all[2], all[3])
    }

    static let all = [
      Network(.ipv4, "192.168.200.2", "203.0.113.1", "198.51.100.7", "198.51.100.8"),
      Network(.ipv6, "fcc8::2", "2001:db8::1", "2001:db8:7::7", "2001:db8:7::8"),
    ]
  }

  private func programs(_ network: Network, _ role: Role) throws -> TranslatorPrograms {
    let programs = try TranslatorPrograms(role, isMarked: false)
    programs.set(
      TranslatorTask(
        inner: network.inner, outer: network.outer,
        remotes: role == .client
          ? [Endpoint(network.stranger, port: 80), Endpoint(network.remote, port: 4567)] : [],
        ports: role == .client ? 1_024...57_343 : 4_567...4_567, outletIndex: 1, deviceIndex: 1,
        mark: 0, otherIndexes: []), network.family)
    return programs
  }

  /// A segment from the other end: from the server's port to a client, or the other way round.
  private func segment(_ network: Network, _ role: Role) -> Packet {
    role == .client
      ? Packet(from: network.remote, to: network.outer, ports: (4_567, 40_000))
      : Packet(from: network.remote, to: network.outer, ports: (40_000, 4_567))
  }

  @Test(arguments: Network.all, [Role.client, .server])
  func aSegmentForOurEndGoesToItWithOneHopLess(_ network: Network, _ role: Role) throws {
    let programs = try programs(network, role)
    for length in [0, 1, 2, 997, 1_300] {
      var packet = segment(network, role)
      packet.payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 31) }
      let (answer, outcome) = try BPFKernel.run(programs.inward, packet.bytes)
      #expect(answer == Self.redirect)
      packet.destination = network.inner
      packet.hops -= 1
      #expect(outcome == packet.bytes)
    }
    #expect(programs[.inward] == 5 && programs[.outward] == 0 && programs[.stray] == 0)
  }

  /// What is none of ours stays as it is.
  @Test(arguments: Network.all, [Role.client, .server])
  func otherPacketsAreLeftAlone(_ network: Network, _ role: Role) throws {
    let programs = try programs(network, role)
    var others: [String: Packet] = [:]
    others["to another address"] = segment(network, role)
    others["to another address"]?.destination = network.stranger
    others["to another port"] = segment(network, role)
    others["to another port"]?.ports.to = role == .client ? 60_000 : 4_568
    others["UDP"] = segment(network, role)
    others["UDP"]?.protocolNumber = 17
    others["another host's"] = segment(network, role)
    others["another host's"]?.link[0] = 2
    others["another VLAN's"] = segment(network, role)
    others["another VLAN's"]?.tag = [0x81, 0, 0, 5]
    if role == .client {
      others["from another port"] = segment(network, role)
      others["from another port"]?.ports.from = 80
      others["from another address"] = segment(network, role)
      others["from another address"]?.source = network.stranger
    }
    if network.family == .ipv4 {
      others["with options"] = segment(network, role)
      others["with options"]?.options = [1, 1, 1, 0]
      others["a later fragment"] = segment(network, role)
      others["a later fragment"]?.fragment = 0x2001
    }
    for (name, packet) in others {
      let (answer, outcome) = try BPFKernel.run(programs.inward, packet.bytes)
      #expect(answer == Self.next, "\(name)")
      #expect(outcome == packet.bytes, "\(name)")
    }
    // As far as the kernel takes them: with an IP header.
    for length in network.family == .ipv4 ? [34, 53] : [54, 73] {
      let cut = Array(segment(network, role).bytes.prefix(length))
      #expect(try BPFKernel.run(programs.inward, cut).answer == Self.next, "\(length) bytes")
    }
    #expect(programs[.inward] == 0)
    programs.set(nil, network.family)
    #expect(try BPFKernel.run(programs.inward, segment(network, role).bytes).answer == Self.next)
  }

  /// What the kernel has to look at gets its address, and goes on to be forwarded, which takes the hop.
  @Test(arguments: Network.all, [Role.client, .server])
  func whatIsNotPlainIsTranslatedAndForwarded(_ network: Network, _ role: Role) throws {
    let programs = try programs(network, role)
    var odd: [String: Packet] = [:]
    odd["at its last hop"] = segment(network, role)
    odd["at its last hop"]?.hops = 1
    odd["padded"] = segment(network, role)
    odd["padded"]?.padding = 6
    if network.family == .ipv4 {
      odd["a first fragment"] = segment(network, role)
      odd["a first fragment"]?.fragment = 0x2000
    }
    for (name, packet) in odd {
      let (answer, outcome) = try BPFKernel.run(programs.inward, packet.bytes)
      #expect(answer == Self.next, "\(name)")
      var expected = packet
      expected.destination = network.inner
      #expect(outcome == expected.bytes, "\(name)")
    }
  }

  @Test(arguments: Network.all, [Role.client, .server])
  func anErrorAboutOurPacketsGoesToOurEnd(_ network: Network, _ role: Role) throws {
    let programs = try programs(network, role)
    var quoted = segment(network, role)
    (quoted.source, quoted.destination) = (quoted.destination, quoted.source)
    quoted.ports = (quoted.ports.to, quoted.ports.from)
    var error = Packet.tooBig(from: network.stranger, to: network.outer, about: quoted)
    let (answer, outcome) = try BPFKernel.run(programs.inward, error.bytes)
    #expect(answer == Self.next)
    error.destination = network.inner
    #expect(outcome == error.bytes)

    for (name, change) in [
      ("its port", { (packet: inout Packet) in packet.ports.from = 1_000 }),
      ("its address", { $0.source = network.stranger }), ("its protocol", { $0.protocolNumber = 17 }),
    ] {
      var other = quoted
      change(&other)
      let packet = Packet.tooBig(from: network.stranger, to: network.outer, about: other)
      #expect(try BPFKernel.run(programs.inward, packet.bytes).packet == packet.bytes, "\(name)")
    }
    var unreachable = Packet.tooBig(from: network.stranger, to: network.outer, about: quoted)
    unreachable.payload[0] = 1
    #expect(try BPFKernel.run(programs.inward, unreachable.bytes).packet == unreachable.bytes)
  }
}

/// A packet on Ethernet, with checksums that are right.
private struct Packet {
  var link = [UInt8](repeating: 0, count: 12)
  var tag: [UInt8] = []
  var source: Address
  var destination: Address
  var ports: (from: UInt16, to: UInt16)
  var protocolNumber: UInt8 = 6
  var hops: UInt8 = 64
  var fragment: UInt16 = 0x4000
  var options: [UInt8] = []
  /// Behind the TCP header, or what an ICMP message consists of.
  var payload: [UInt8] = [1, 2, 3]
  var padding = 0

  init(from source: Address, to destination: Address, ports: (from: UInt16, to: UInt16)) {
    self.source = source
    self.destination = destination
    self.ports = ports
  }

  static func tooBig(from source: Address, to destination: Address, about packet: Packet) -> Packet {
    var error = Packet(from: source, to: destination, ports: (0, 0))
    error.protocolNumber = source.bytes.count == 4 ? 1 : 58
    let kind: [UInt8] = source.bytes.count == 4 ? [3, 4] : [2, 0]
    error.payload = kind + [0, 0, 0, 0, 5, 0x14] + packet.bytes[14..<(14 + packet.headerCount + 8)]
    return error
  }

  private var isIPv4: Bool { source.bytes.count == 4 }
  fileprivate var headerCount: Int { isIPv4 ? 20 + options.count : 40 }

  var bytes: [UInt8] {
    link + tag + (isIPv4 ? [8, 0] : [0x86, 0xdd]) + header + message + [UInt8](repeating: 0, count: padding)
  }
  private var header: [UInt8] {
    guard isIPv4 else {
      return [0x60, 0, 0, 0] + Self.two(message.count) + [protocolNumber, hops] + source.bytes
        + destination.bytes
    }
    var header: [UInt8] =
      [0x45 + UInt8(options.count / 4), 0] + Self.two(headerCount + message.count) + [0x12, 0x34]
      + Self.two(Int(fragment)) + [hops, protocolNumber, 0, 0] + source.bytes + destination.bytes + options
    header.replaceSubrange(10..<12, with: Self.checksum(header))
    return header
  }

  private var message: [UInt8] {
    var message = payload
    var place = 2
    var pseudo = source.bytes + destination.bytes + [0, protocolNumber]
    if protocolNumber == 1 { pseudo = [] }
    if protocolNumber == 6 || protocolNumber == 17 {
      message =
        Self.two(Int(ports.from)) + Self.two(Int(ports.to))
        + [1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0] + payload
      place = 16
    }
    let sum = Self.checksum(
      message + (message.count % 2 == 0 ? [] : [0]) + pseudo + (pseudo.isEmpty ? [] : Self.two(message.count))
    )
    message.replaceSubrange(place..<(place + 2), with: sum)
    return message
  }

  private static func two(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xff), UInt8(number & 0xff)] }

  /// RFC 1071, word by word.
  private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
    var sum = 0
    for index in stride(from: 0, to: bytes.count - 1, by: 2) {
      sum += Int(bytes[index]) << 8 | Int(bytes[index + 1])
    }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return two(~sum & 0xffff)
  }
}
