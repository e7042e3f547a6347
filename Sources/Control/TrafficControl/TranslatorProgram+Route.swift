internal import CLiburing

/// Where a packet goes: looked up as the kernel does when it forwards.
extension TranslatorProgram {
  /// `struct bpf_fib_lookup`, from the end of the stack.
  enum Route {
    static let base = -64
    static let family = base
    static let protocolNumber = base + 1
    static let sourcePort = base + 2
    static let destinationPort = base + 4
    /// In: nothing, so that a path's MTU that other traffic has learned counts no more than where the kernel forwards
    /// (`net.ipv4.ip_forward_use_pmtu`). Out: that of the device.
    static let mtu = base + 6
    static let interface = base + 8
    static let serviceType = base + 12
    static let source = base + 16
    /// Then the next hop's.
    static let destination = base + 32
    static let mark = base + 52
    static let byteCount = 64
    static let skipsNeighbour: Int32 = 1 << 2
    static let usesMark: Int32 = 1 << 5
  }

  /// `struct bpf_redir_neigh`, below.
  enum Hop {
    static let base = -88
    static let address = base + 4
    static let byteCount = 20
  }

  /// For what stands on the stack (`Route`), and the packet in r1.
  static func askForRoute(_ code: inout BPFProgram, isMarked: Bool) {
    code.move(.r2, .stack)
    code.change(.r2, .add, Int32(Route.base))
    code.move(.r3, Int32(Route.byteCount))
    code.move(.r4, Route.skipsNeighbour | (isMarked ? Route.usesMark : 0))
    code.call(.lookUpRoute)
  }

  /// Looks the route up as the kernel does when it forwards. What is for this host, too big for the device, or may not be
  /// forwarded, is left to the kernel, which tells our end; what would leave by another device, too, if rules give it an
  /// address there, and else it is dropped.
  mutating func lookUpRoute() {
    for offset in stride(from: Hop.base, to: 0, by: 8) { code.store(.double, .stack, offset, value: 0) }
    code.store(.byte, .stack, Route.family, value: family == .ipv4 ? 2 : 10)
    code.store(.byte, .stack, Route.protocolNumber, value: Int32(IPPROTO_TCP))
    for (from, to) in [(0, Route.sourcePort), (2, Route.destinationPort)] {
      code.load(.r0, .half, Self.bytes, headerBytes + from)
      code.store(.half, .stack, to, .r0)
    }
    loadShared(.r0, Field.deviceIndex)
    code.store(.word, .stack, Route.interface, .r0)
    if family == .ipv4 {
      code.load(.r0, .byte, Self.bytes, 1)
      code.change(.r0, .and, 0xfc)
      code.store(.byte, .stack, Route.serviceType, .r0)
    }
    for (from, to) in [(sourceOffset, Route.source), (destinationOffset, Route.destination)] {
      for offset in stride(from: 0, to: addressBytes, by: 4) {
        code.load(.r0, .word, Self.bytes, from + offset)
        code.store(.word, .stack, to + offset, .r0)
      }
    }
    if isMarked {
      loadShared(.r0, Field.mark)
      code.store(.word, .stack, Route.mark, .r0)
    }
    code.move(.r1, Self.packet)
    Self.askForRoute(&code, isMarked: isMarked)
    // What the kernel forwards, or tells our end why not: it sees to these.
    let isFound = code.label()
    code.jump(if: .r0, .equal, 0, to: isFound)
    // An IPv6 packet of a device that does not forward, the kernel would forward all the same, with the address of our end.
    for result in [BPF_FIB_LKUP_RET_FWD_DISABLED, BPF_FIB_LKUP_RET_UNSUPP_LWT, BPF_FIB_LKUP_RET_NO_NEIGH] {
      code.jump(if: .r0, .equal, Int32(result), to: stray)
    }
    code.jump(if: .r0, .greater, Int32(BPF_FIB_LKUP_RET_FRAG_NEEDED), to: stray)
    code.jump(to: next)
    code.place(isFound)
    code.load(.r0, .word, .stack, Route.interface)
    loadShared(.r1, Field.outletIndex)
    let leavesByOutlet = code.label()
    code.jump(if: .r0, .equal, .r1, to: leavesByOutlet)
    for index in 0..<TranslatorMemory.othersMax {
      loadShared(.r1, Field.others + index * 4)
      code.jump(if: .r0, .equal, .r1, to: next)
    }
    code.jump(to: stray)
    code.place(leavesByOutlet)
    readWireBytes(into: .r1)
    code.load(.r0, .half, .stack, Route.mtu)
    code.jump(if: .r1, .greater, .r0, to: next)
    // An IPv4 route may go by an IPv6 router.
    code.load(.r0, .byte, .stack, Route.family)
    code.store(.word, .stack, Hop.base, .r0)
    for offset in stride(from: 0, to: 16, by: 4) {
      code.load(.r0, .word, .stack, Route.destination + offset)
      code.store(.word, .stack, Hop.address + offset, .r0)
    }
  }

  /// Gives a negative errno: EINVAL where the kernel does not know these flags, and else EAFNOSUPPORT, since no family
  /// is given.
  static func routeProbe(isMarked: Bool) -> [bpf_insn] {
    var code = BPFProgram()
    for offset in stride(from: Route.base, to: 0, by: 8) { code.store(.double, .stack, offset, value: 0) }
    askForRoute(&code, isMarked: isMarked)
    code.exit()
    return code.linked()
  }
}
