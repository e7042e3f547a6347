import Testing

@testable import DataPlane

/// The views and the writers against what stock Phantun really sent.
@Suite struct RecordedPacketTests {
  @Test(arguments: Recording.allCases)
  func `the recordings are three flows of seven packets each`(recording: Recording) throws {
    let packets = try recording.packets.map { try #require(Packet($0)) }
    #expect(packets.count == 21)
    let ports = packets.map { $0.source.port == Recording.serverPort ? $0.destination.port : $0.source.port }
    var distinct = [UInt16]()
    for port in ports where distinct.last != port { distinct.append(port) }
    #expect(distinct == recording.clientPorts)
  }

  @Test(arguments: Recording.allCases)
  func `every packet has the same shape`(recording: Recording) throws {
    for bytes in try recording.packets {
      var packet = try #require(Packet(bytes))
      let isFromClient = packet.source.address == recording.client
      #expect(packet.timeToLive == (isFromClient ? 64 : 62))
      packet.timeToLive = 64
      expectPacket(packet.bytes, .stockShape)
      #expect([TCPFlags.syn, [.syn, .ack], .ack].contains(packet.flags))
    }
  }

  @Test(arguments: Recording.allCases)
  func `the views read every field`(recording: Recording) throws {
    for bytes in try recording.packets {
      let wanted = try #require(Packet(bytes))
      if recording == .ipv4 {
        let ip = try #require(IPv4Fields(bytes))
        #expect(ip.headerLength == 20 && ip.totalLength == bytes.count)
        #expect(ip.source == wanted.source.address && ip.destination == wanted.destination.address)
        #expect(ip.transportProtocol == 6 && ip.timeToLive == wanted.timeToLive)
        #expect(ip.identification == 0 && ip.typeOfService == 0)
        #expect(ip.dontFragment && !ip.isFragment && ip.hasValidChecksum)
      } else {
        let ip = try #require(IPv6Fields(bytes))
        #expect(ip.totalLength == bytes.count && ip.nextHeader == 6)
        #expect(ip.source == wanted.source.address && ip.destination == wanted.destination.address)
        #expect(ip.hopLimit == wanted.timeToLive)
      }
      let tcp = try #require(TCPFields(Array(bytes[wanted.ipHeaderLength...])))
      #expect(tcp.headerLength == wanted.tcpHeaderLength)
      #expect(tcp.sourcePort == wanted.source.port && tcp.destinationPort == wanted.destination.port)
      #expect(tcp.sequence.value == wanted.sequence && tcp.acknowledgement.value == wanted.acknowledgement)
      #expect(tcp.flags == wanted.flags && tcp.window == 0xffff)
      #expect(tcp.options == (wanted.flags.contains(.syn) ? [.windowScale(14)] : []))
    }
  }

  @Test(arguments: Recording.allCases)
  func `every packet parses with its checksum verified`(recording: Recording) throws {
    for bytes in try recording.packets {
      let wanted = try #require(Packet(bytes))
      let segment = try Segment.read(bytes).get()
      #expect(segment.key.remoteEndpoint == wanted.source)
      #expect(segment.key.localEndpoint == wanted.destination)
      #expect(segment.sequence.value == wanted.sequence)
      #expect(segment.acknowledgement.value == wanted.acknowledgement)
      #expect(segment.flags == wanted.flags)
      #expect(segment.segmentSize == 0 && segment.partCount == 1)
      let payload = bytes[segment.payloadOffset..<segment.payloadOffset + segment.payloadLength]
      #expect(Array(payload) == wanted.payload)
    }
  }

  @Test(arguments: Recording.allCases)
  func `a recorded packet cut anywhere is dropped without a trap`(recording: Recording) throws {
    // The SYN, the ACK and the first datagram.
    for bytes in try recording.packets[0...3] where bytes.count < 200 {
      for length in 0..<bytes.count {
        #expect(Segment.read(Array(bytes[..<length])).reason == .shortPacket)
      }
    }
  }

  @Test(arguments: Recording.allCases)
  func `our writers reproduce every packet byte for byte`(recording: Recording) throws {
    for recorded in try recording.packets {
      var wanted = try #require(Packet(recorded))
      let header = SegmentHeader(
        key: FlowKey(
          remote: wanted.destination.address, local: wanted.source.address,
          remotePort: wanted.destination.port, localPort: wanted.source.port),
        sequence: SequenceNumber(wanted.sequence), acknowledgement: SequenceNumber(wanted.acknowledgement),
        flags: wanted.flags, payloadLength: wanted.payload.count)
      let written = try TunFrame(header, payload: wanted.payload).packets
      if wanted.timeToLive == 64 { #expect(written == [recorded]) }
      // What has crossed routers is compared as it was before.
      wanted.timeToLive = 64
      #expect(written == [wanted.bytes])
    }
  }
}
