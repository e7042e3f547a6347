internal import CLiburing
internal import DataPlane
internal import Glibc
internal import Synchronization

/// What the programs translate by, in memory that they share with us (an mmapped BPF array): a block for each family,
/// and counters.
///
/// Once a process has given up its privileges it makes no call of bpf(2) any more; addresses that change are written
/// here.
@safe
struct TranslatorMemory: ~Copyable {
  /// Where what lies in a family's block, in bytes. Numbers are of 32 bits in host order; addresses take 16 bytes in
  /// network order, IPv4 the first four.
  enum Field {
    /// 0: all packets are left to the kernel.
    static let isActive = 0
    static let outletIndex = 4
    static let deviceIndex = 8
    static let mark = 12
    /// What becoming the outer address, or the inner one again, adds to a checksum (RFC 1624), folded.
    static let outwardSum = 16
    static let inwardSum = 20
    /// The TCP ports that packets come in to.
    static let portFirst = 24
    static let portLast = 28
    static let inner = 32
    static let outer = 48
    /// A client's servers: an address, and the port as the packet has it, or 0 behind the last one.
    static let remotes = 64
    static let remoteStride = 20
    static let remotePort = 16
    /// Other devices, which packets are left to the kernel for; 0 behind the last one.
    static let others = remotes + GatewayConfiguration.remotesMax * remoteStride
    static let end = others + othersMax * 4
  }
  static let othersMax = 8
  /// In whole lines of the cache.
  static let blockBytes = (Field.end + 63) & ~63
  /// Where numbers of 64 bits lie, one for each `Counter`, for each of `counterRows` processors.
  static let counters = 2 * blockBytes
  static let counterStride = 64
  static let counterRows = 64
  private static let byteCount = counters + counterRows * counterStride

  /// Where a family's block lies.
  static func block(_ family: AddressFamily) -> Int { family == .ipv4 ? 0 : blockBytes }

  let descriptor: Int32
  private let base: UnsafeMutableRawPointer

  init() throws(KernelError) {
    let descriptor = try KernelError.check(
      "bpf(BPF_MAP_CREATE)", unsafe guise_bpf_memory(UInt32(Self.byteCount), "guise"))
    unsafe base = try Self.map(descriptor)
    self.descriptor = descriptor
  }

  private static func map(_ descriptor: Int32) throws(KernelError) -> UnsafeMutableRawPointer {
    let memory = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
      let error = KernelError("mmap of a BPF array", errno: errno)
      close(descriptor)
      throw error
    }
    return unsafe memory
  }

  deinit {
    unsafe munmap(base, Self.byteCount)
    close(descriptor)
  }

  /// What is counted, in packets; a train is one.
  enum Counter: Int {
    case outward, inward
    /// Would have left by another device: dropped.
    case stray
  }

  /// What was counted until now.
  subscript(counter: Counter) -> UInt64 {
    var sum: UInt64 = 0
    for row in 0..<Self.counterRows {
      sum &+= unsafe base.load(
        fromByteOffset: Self.counters + row * Self.counterStride + counter.rawValue * 8, as: UInt64.self)
    }
    return sum
  }

  /// Has packets of a family translated by `task` from now on, in the place of `former`, or left to the kernel where
  /// that is nil. None is left alone in between unless addresses or devices change.
  func set(_ task: TranslatorTask?, insteadOf former: TranslatorTask?, _ family: AddressFamily) {
    let block = Self.block(family)
    guard let task else { return put(0, at: block + Field.isActive) }
    if former.map({ task.hasWays(of: $0) }) != true {
      put(0, at: block + Field.isActive)
      // No program is on its way any more that has begun before: they run for microseconds, and are not put aside.
      usleep(1_000)
      put(task.outletIndex, at: block + Field.outletIndex)
      put(task.deviceIndex, at: block + Field.deviceIndex)
      put(Self.sum(of: task.outer, inPlaceOf: task.inner), at: block + Field.outwardSum)
      put(Self.sum(of: task.inner, inPlaceOf: task.outer), at: block + Field.inwardSum)
      put(task.inner, at: block + Field.inner)
      put(task.outer, at: block + Field.outer)
    }
    put(task.mark, at: block + Field.mark)
    put(UInt32(task.ports.lowerBound), at: block + Field.portFirst)
    put(UInt32(task.ports.upperBound), at: block + Field.portLast)
    for index in 0..<Self.othersMax {
      put(
        index < task.otherIndexes.count ? task.otherIndexes[index] : 0, at: block + Field.others + index * 4)
    }
    for index in 0..<GatewayConfiguration.remotesMax {
      let offset = block + Field.remotes + index * Field.remoteStride
      let remote = index < task.remotes.count ? task.remotes[index] : nil
      if let remote { put(remote.address, at: offset) }
      put(UInt32(remote?.port.bigEndian ?? 0), at: offset + Field.remotePort)
    }
    // A program that sees this sees all of the above.
    atomicMemoryFence(ordering: .releasing)
    put(1, at: block + Field.isActive)
  }

  private func put(_ value: UInt32, at offset: Int) {
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
  }

  private func put(_ address: Address, at offset: Int) {
    for (index, byte) in address.bytes.enumerated() {
      unsafe base.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
    }
  }

  /// `after - before` in one's complement, of words in memory order.
  private static func sum(of after: Address, inPlaceOf before: Address) -> UInt32 {
    var sum = words(after).reduce(0, +) + words(before).reduce(0) { $0 + (~$1 & 0xffff) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return sum
  }

  private static func words(_ address: Address) -> [UInt32] {
    let bytes = address.bytes
    return stride(from: 0, to: bytes.count, by: 2).map { UInt32(bytes[$0]) | UInt32(bytes[$0 + 1]) << 8 }
  }
}
