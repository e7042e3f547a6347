import Foundation
import Glibc
import Testing

@testable import DataPlane

/// A flow file and the table in it, read as the next process reads it: while nobody has said goodbye.
@Suite struct FlowFileTests {
  private let store = FlowFileFixture()
  private var descriptor: Int32 { store.descriptor }

  private static func header() -> FlowFileHeader {
    var header = FlowFileHeader(
      namespace: "boot/7", processID: 123, role: .server, device: "guise0", mtu: 1_500,
      listen: Endpoint(.unspecified, port: 4_567), remote: Endpoint(Address("127.0.0.1")!, port: 5_000),
      idleTimeoutSeconds: 180, cookieKey: .init(first: 1, second: 2))
    (header.local4, header.peer4) = (Address("192.168.201.1")!, Address("192.168.201.2")!)
    return header
  }

  private func file(workers: Int = 1, flows: Int = 1_000) throws -> FlowFile {
    try FlowFile(descriptor: dup(descriptor), Self.header(), workerCount: workers, flowsPerWorker: flows)
  }

  private static func key(_ number: Int) -> FlowKey {
    FlowKey(
      remote: Address("198.51.100.7")!, local: Address("192.168.201.2")!, remotePort: UInt16(number),
      localPort: 4_567)
  }

  private static func table(_ file: FlowFile, worker: Int = 0, capacity: Int = 1_000) throws -> FlowTable {
    try FlowTable(
      capacity: capacity, hash: KeyHash(seed: (1, 2)), indexesPeers: false,
      in: file.section(worker: worker))
  }

  private static func add(_ number: Int, in table: inout FlowTable) -> UInt32? {
    guard let flow = table.insert(key: key(number), peer: .none, segmentBytesMax: 1_460, now: 9) else {
      return nil
    }
    table[flow].state = .established
    table[flow].sendNext = SequenceNumber(UInt32(number))
    table[flow].sealIdentity()
    return flow
  }

  private func contents() throws(FlowFileRefusal) -> FlowFileContents {
    try FlowFileContents(descriptor: descriptor)
  }

  private func ports(_ contents: FlowFileContents) -> [UInt16] {
    contents.flows.map(\.key.remotePort).sorted()
  }

  @Test func `the header reads back as it was written`() throws {
    let file = try file(workers: 3, flows: 77)
    var expected = Self.header()
    expected.workerCount = 3
    expected.flowsPerWorker = 77
    expected.stride = FlowTable.stride
    #expect(try contents().header == expected)
    #expect(file.header == expected)
  }

  /// Through every doubling of what lies in the file.
  @Test func `what a table holds is what the file holds, at any moment`() throws {
    let file = try file()
    var table = try Self.table(file)
    var open: [Int: UInt32] = [:]
    for number in 1...1_000 {
      open[number] = Self.add(number, in: &table)
      if number % 3 == 0 { table.remove(open.removeValue(forKey: number - 1)!) }
      guard [1, 63, 64, 65, 128, 129, 500, 1_000].contains(number) else { continue }
      let contents = try contents()
      #expect(ports(contents) == open.keys.sorted().map(UInt16.init))
      #expect(contents.flows.allSatisfy { $0.sendNext == SequenceNumber(UInt32($0.key.remotePort)) })
      #expect(contents.unfinished == 0 && contents.missing == 0)
    }
    // What changes with each packet needs no further word.
    table[open[1]!].sendNext = SequenceNumber(77)
    #expect(try contents().flows.contains { $0.key.remotePort == 1 && $0.sendNext == SequenceNumber(77) })
    _ = file
  }

  @Test func `every worker has a section of its own`() throws {
    let file = try file(workers: 3)
    var first = try Self.table(file, worker: 0)
    var last = try Self.table(file, worker: 2)
    for number in 1...70 { _ = Self.add(number, in: &first) }
    for number in 101...270 { _ = Self.add(number, in: &last) }
    #expect(ports(try contents()) == (Array(1...70) + Array(101...270)).map(UInt16.init))
    _ = file
  }

  @Test func `few flows take little room`() throws {
    let file = try file(workers: 4, flows: 65_536)
    var table = try Self.table(file, capacity: 65_536)
    _ = Self.add(1, in: &table)
    var status = stat()
    #expect(unsafe fstat(descriptor, &status) == 0)
    #expect(status.st_blocks * 512 < 100_000)
    _ = file
  }

  @Test func `a file that has been cut short yields what is left, and says so`() throws {
    let file = try file()
    do {
      var table = try Self.table(file)
      for number in 1...100 { _ = Self.add(number, in: &table) }
    }
    ftruncate(descriptor, off_t(file.header.sectionOffset(worker: 0) + 40 * FlowTable.stride + 50))
    let contents = try contents()
    #expect(ports(contents) == (1...40).map(UInt16.init))
    #expect(contents.missing == 60)
    ftruncate(descriptor, off_t(FlowFileHeader.length))
    #expect(throws: FlowFileRefusal.truncated) { try self.contents() }
    ftruncate(descriptor, 100)
    #expect(throws: FlowFileRefusal.truncated) { try self.contents() }
    ftruncate(descriptor, 0)
    #expect(throws: FlowFileRefusal.empty) { try self.contents() }
  }

  @Test func `a file of something else, of another version, or with a damaged header is refused`() throws {
    let bytes = Self.encoded()
    var foreign = bytes
    foreign[0] ^= 1
    #expect(throws: FlowFileRefusal.foreign) { try FlowFileHeader(foreign) }
    var other = bytes
    other[16] = 99
    #expect(throws: FlowFileRefusal.otherVersion(99)) { try FlowFileHeader(other) }
    for place in 20..<300 {
      var damaged = bytes
      damaged[place] ^= 0x10
      #expect(throws: FlowFileRefusal.damaged, "byte \(place)") { try FlowFileHeader(damaged) }
    }
    #expect(throws: Never.self) { try FlowFileHeader(bytes) }
  }

  @Test func `more slots than there can be are damage`() throws {
    let file = try file()
    var count: UInt32 = 1_001
    unsafe pwrite(descriptor, &count, 4, off_t(FlowFileHeader.countOffset(worker: 0)))
    #expect(throws: FlowFileRefusal.damaged) { try self.contents() }
    _ = file
  }

  private static func encoded() -> [UInt8] {
    var header = header()
    (header.workerCount, header.flowsPerWorker, header.stride) = (1, 1_000, FlowTable.stride)
    return header.encoded()
  }

  // MARK: - No room

  /// Runs `body` with a descriptor on a file system of so many pages.
  private static func onSmallDisk(pages: Int, _ body: (Int32) throws -> Void) throws {
    let mount = FileManager.default.temporaryDirectory.appending(path: "gd-small-\(UUID())").path()
    try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: false)
    defer { unsafe rmdir(mount) }
    try #require(unsafe Glibc.mount("tmpfs", mount, "tmpfs", 0, "size=\(pages * 4_096)") == 0)
    defer { unsafe umount2(mount, Int32(MNT_DETACH)) }
    let descriptor = unsafe Glibc.open("\(mount)/flows", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    try body(descriptor)
  }

  @Test(.enabled(if: geteuid() == 0)) func `a full file system is refused at once`() throws {
    try Self.onSmallDisk(pages: 2) { descriptor in
      #expect(throws: KernelError("posix_fallocate", errno: ENOSPC)) {
        try FlowFile(descriptor: dup(descriptor), Self.header(), workerCount: 1, flowsPerWorker: 1_000)
      }
    }
  }

  /// Never SIGBUS: a store into room that is only promised would be one.
  @Test(.enabled(if: geteuid() == 0))
  func `where the file system gets full later, the table goes on and the file keeps what it has`() throws {
    // Header and counts take 5 pages; 64, 128 and 256 slots 3, 6 and 12.
    try Self.onSmallDisk(pages: 5 + 6 + 2) { descriptor in
      let file = try FlowFile(
        descriptor: dup(descriptor), Self.header(), workerCount: 1, flowsPerWorker: 1_000)
      var table = try Self.table(file)
      for number in 1...1_000 { #expect(Self.add(number, in: &table) != nil) }
      #expect(table.fileRefusal == KernelError("posix_fallocate", errno: ENOSPC))
      for number in 1...1_000 { #expect(table.find(Self.key(number)) == UInt32(number - 1)) }
      let contents = try FlowFileContents(descriptor: descriptor)
      #expect(ports(contents) == (1...128).map(UInt16.init))
      #expect(contents.missing == 0 && contents.unfinished == 0)
      _ = file
    }
  }
}
