internal import DataPlane
internal import Glibc

/// Which packets are translated. What is none of them is left to the next program, and then to the kernel.
extension TranslatorProgram {
  /// Not of another VLAN, another host's, or another protocol's. A tag of VLAN 0 says a priority and no more (IEEE 802.1Q).
  mutating func leaveUnlessForThisHost() {
    let isOfNoVLAN = code.label()
    code.load(.r0, .word, Self.packet, Context.hasVLANTag)
    code.jump(if: .r0, .equal, 0, to: isOfNoVLAN)
    code.load(.r0, .word, Self.packet, Context.vlanTag)
    code.change(.r0, .and, 0x0fff)
    code.jump(if: .r0, .unequal, 0, to: next)
    code.place(isOfNoVLAN)
    code.load(.r0, .word, Self.packet, Context.packetType)
    code.jump(if: .r0, .unequal, 0, to: next)
    code.load(.r0, .word, Self.packet, Context.protocolNumber)
    code.jump(if: .r0, .unequal, Int32(UInt16(family == .ipv4 ? 0x0800 : 0x86dd).bigEndian), to: next)
  }

  /// Finds the headers, and brings them together where they lie apart.
  mutating func readPacket(from start: Int, _ count: Int) {
    let needed = Int32(start + count)
    let isThere = code.label()
    code.load(Self.bytes, .word, Self.packet, Context.data)
    code.load(.r1, .word, Self.packet, Context.dataEnd)
    code.move(.r0, Self.bytes)
    code.change(.r0, .add, needed)
    code.jump(if: .r0, .atMost, .r1, to: isThere)
    code.move(.r1, Self.packet)
    code.move(.r2, needed)
    code.call(.pullData)
    code.jump(if: .r0, .unequal, 0, to: next)
    code.load(Self.bytes, .word, Self.packet, Context.data)
    code.load(.r1, .word, Self.packet, Context.dataEnd)
    code.move(.r0, Self.bytes)
    code.change(.r0, .add, needed)
    code.jump(if: .r0, .greater, .r1, to: next)
    code.place(isThere)
  }

  /// Without IP options, and no later fragment. r0 is the protocol that follows then.
  mutating func leaveUnlessHeaderIsPlain(at start: Int) {
    code.load(.r0, .byte, Self.bytes, start)
    switch family {
    case .ipv4:
      code.jump(if: .r0, .unequal, 0x45, to: next)
      code.load(.r0, .half, Self.bytes, start + 6)
      code.change(.r0, .and, Int32(UInt16(0x1fff).bigEndian))
      code.jump(if: .r0, .unequal, 0, to: next)
      code.load(.r0, .byte, Self.bytes, start + 9)
    case .ipv6:
      code.change(.r0, .shiftRight, 4)
      code.jump(if: .r0, .unequal, 6, to: next)
      code.load(.r0, .byte, Self.bytes, start + 6)
    }
  }

  mutating func leaveUnlessSimple(at start: Int) {
    leaveUnlessHeaderIsPlain(at: start)
    code.jump(if: .r0, .unequal, Int32(IPPROTO_TCP), to: next)
  }

  /// Compares the address at `offset` with one of ours.
  mutating func go(to label: BPFProgram.Label, unless offset: Int, is field: Int) {
    for word in stride(from: 0, to: addressBytes, by: 4) {
      code.load(.r0, .word, Self.bytes, offset + word)
      loadShared(.r1, field + word)
      code.jump(if: .r0, .unequal, .r1, to: label)
    }
  }

  mutating func leaveUnlessPortIsOurs(_ offset: Int) {
    code.load(.r0, .half, Self.bytes, offset)
    code.readNetworkOrder(.r0)
    loadShared(.r1, Field.portFirst)
    code.jump(if: .r0, .less, .r1, to: next)
    loadShared(.r1, Field.portLast)
    code.jump(if: .r0, .greater, .r1, to: next)
  }

  /// Compares an address and a port with those of a client's servers.
  mutating func leaveUnlessServer(_ address: Int, port: Int) {
    let isServer = code.label()
    code.load(.r2, .half, Self.bytes, port)
    for index in 0..<GatewayConfiguration.remotesMax {
      let remote = Field.remotes + index * Field.remoteStride
      let another = code.label()
      loadShared(.r1, remote + Field.remotePort)
      code.jump(if: .r1, .equal, 0, to: next)
      code.jump(if: .r1, .unequal, .r2, to: another)
      go(to: another, unless: address, is: remote)
      code.jump(to: isServer)
      code.place(another)
    }
    code.jump(to: next)
    code.place(isServer)
  }

  /// Of a packet that has come to its last hop, the kernel tells its sender (`ip_forward`).
  mutating func readHops(at start: Int, else label: BPFProgram.Label) {
    code.load(Self.hops, .byte, Self.bytes, start + hopsOffset)
    code.jump(if: Self.hops, .atMost, 1, to: label)
  }

  /// No fragment, and no padding behind it, which the TUN device would take for payload: the kernel sees to both.
  mutating func goUnlessWhole(to label: BPFProgram.Label, at start: Int) {
    if family == .ipv4 {
      code.load(.r0, .half, Self.bytes, start + 6)
      code.change(.r0, .and, Int32(UInt16(0x2000).bigEndian))
      code.jump(if: .r0, .unequal, 0, to: label)
    }
    code.load(.r1, .word, Self.packet, Context.length)
    code.change(.r1, .subtract, Int32(start + (family == .ipv4 ? 0 : headerBytes)))
    code.load(.r0, .half, Self.bytes, start + (family == .ipv4 ? 2 : 4))
    code.readNetworkOrder(.r0)
    code.jump(if: .r0, .unequal, .r1, to: label)
  }

  /// The size of a packet that begins with its IP header, or of the largest one that a train is cut into.
  mutating func readWireBytes(into register: BPFProgram.Register) {
    let isTrain = code.label()
    let isKnown = code.label()
    code.load(register, .word, Self.packet, Context.segmentBytes)
    code.jump(if: register, .unequal, 0, to: isTrain)
    code.load(register, .word, Self.packet, Context.length)
    code.jump(to: isKnown)
    code.place(isTrain)
    // The TCP header's length is in the upper half of a byte, in words.
    code.load(.r0, .byte, Self.bytes, headerBytes + 12)
    code.change(.r0, .shiftRight, 4)
    code.change(.r0, .shiftLeft, 2)
    code.change(register, .add, .r0)
    code.change(register, .add, Int32(headerBytes))
    code.place(isKnown)
  }
}
