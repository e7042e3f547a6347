internal import Glibc

/// The flows of a gateway in a file that all of it shares with the kernel: whoever kills the process leaves
/// them there (docs/decisions/0055-flow-file.md).
///
/// A header, each worker's count of slots used so far, and a section of slots for each worker, which takes room
/// as it fills. To be made before the workers, and to live as long as they do.
@safe
package final class FlowFile: @unchecked Sendable {
  private let descriptor: Int32
  package let header: FlowFileHeader
  private let counts: UnsafeMutableRawPointer

  /// Fills an empty file. The descriptor is taken over, also when this throws: ENOSPC where the file system is
  /// full.
  package init(
    descriptor: Int32, _ header: FlowFileHeader, workerCount: Int, flowsPerWorker: Int
  ) throws(KernelError) {
    var header = header
    header.workerCount = workerCount
    header.flowsPerWorker = flowsPerWorker
    header.stride = FlowTable.stride
    do throws(KernelError) {
      try KernelError.checkErrno("ftruncate", ftruncate(descriptor, header.fileLength))
      // Room that is only promised would turn a full file system into SIGBUS at the first store.
      let front = FlowFileHeader.length + FlowFileHeader.countsLength
      try FlowFile.reserve(descriptor, 0, front)
      let bytes = header.encoded()
      let written = unsafe pwrite(descriptor, bytes, bytes.count, 0)
      guard written == bytes.count else { throw KernelError("pwrite", errno: written < 0 ? errno : EIO) }
      unsafe counts = try FlowFile.map(
        descriptor, at: FlowFileHeader.length, FlowFileHeader.countsLength, over: nil)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.header = header
  }

  deinit {
    unsafe munmap(counts, FlowFileHeader.countsLength)
    close(descriptor)
  }

  /// The part of the file that one worker's table lies in.
  func section(worker: Int) -> FlowSection {
    precondition(worker < header.workerCount)
    return unsafe FlowSection(
      descriptor: descriptor, offset: header.sectionOffset(worker: worker),
      used: (counts + worker * (FlowFileHeader.countOffset(worker: 1) - FlowFileHeader.countOffset(worker: 0)))
        .assumingMemoryBound(to: UInt32.self))
  }

  /// Takes room in the file system, so that a later store cannot fail for want of it.
  fileprivate static func reserve(_ descriptor: Int32, _ offset: Int, _ length: Int) throws(KernelError) {
    let result = posix_fallocate(descriptor, offset, length)
    guard result == 0 else { throw KernelError("posix_fallocate", errno: result) }
  }

  fileprivate static func map(
    _ descriptor: Int32, at offset: Int, _ length: Int, over place: UnsafeMutableRawPointer?
  ) throws(KernelError) -> UnsafeMutableRawPointer {
    let flags = unsafe place == nil ? MAP_SHARED : MAP_SHARED | MAP_FIXED
    let memory = unsafe mmap(place, length, PROT_READ | PROT_WRITE, flags, descriptor, offset)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
      throw KernelError("mmap of the flow file", errno: errno)
    }
    return unsafe memory
  }
}

/// One worker's part of a flow file.
@safe
struct FlowSection: @unchecked Sendable {
  fileprivate let descriptor: Int32
  fileprivate let offset: Int
  /// How many slots have been used so far.
  private let used: UnsafeMutablePointer<UInt32>

  fileprivate init(descriptor: Int32, offset: Int, used: UnsafeMutablePointer<UInt32>) {
    self.descriptor = descriptor
    self.offset = offset
    unsafe self.used = used
  }

  /// Safety: the file outlives its workers.
  func note(used count: UInt32) { unsafe used.pointee = count }

  /// Lets memory that nobody has touched yet be part of the file from now on.
  func cover(_ memory: UnsafeMutableRawPointer, from start: Int, to end: Int) throws(KernelError) {
    try FlowFile.reserve(descriptor, offset + start, end - start)
    _ = unsafe try FlowFile.map(descriptor, at: offset + start, end - start, over: memory + start)
  }
}
