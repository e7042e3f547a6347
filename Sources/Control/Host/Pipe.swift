internal import Glibc

/// Both ends of a pipe(2), close-on-exec; whichever is open is closed with the value.
struct Pipe: ~Copyable {
  private(set) var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws(ChildProcess.Failure) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw .notStarted(errno: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit {
    if readEnd >= 0 { close(readEnd) }
    if writeEnd >= 0 { close(writeEnd) }
  }

  mutating func closeReadEnd() {
    close(readEnd)
    readEnd = -1
  }

  mutating func closeWriteEnd() {
    guard writeEnd >= 0 else { return }
    close(writeEnd)
    writeEnd = -1
  }

  /// Writes as much of `rest` as there is room for, and takes that off it; all of it where the reader has gone away,
  /// which is its own exit status's business.
  func writeWithoutWaiting(_ rest: inout ArraySlice<UInt8>) {
    _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(writeEnd, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return }
      rest = count > 0 ? rest.dropFirst(count) : []
    }
  }
}
