internal import Glibc

/// A file that this process alone holds, by flock(2): until the value ends, or the process does, however
/// it ends.
struct LockedFile: ~Copyable {
  private(set) var path: String
  private let descriptor: Int32

  enum Failure: Error, Equatable {
    case heldByAnother
    case refused(errno: Int32)
  }

  /// Opens or makes the file (mode 0600) and takes the lock without waiting. One that must be there already is
  /// not made (ENOENT). With an `owner`, as root can, one that is made belongs to that user.
  init(_ path: String, mustExist: Bool = false, owner: FileOwner? = nil) throws(Failure) {
    let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW
    var descriptor = unsafe open(path, flags)
    if descriptor < 0, errno == ENOENT, !mustExist {
      // Nothing but what this call makes is given away: a name that was there may be one of somebody else's file.
      descriptor = unsafe open(path, flags | O_CREAT | O_EXCL, 0o600)
      if descriptor >= 0, let owner { fchown(descriptor, owner.user, owner.group) }
      if descriptor < 0, errno == EEXIST { throw .heldByAnother }
    }
    guard descriptor >= 0 else { throw .refused(errno: errno) }
    // Whoever owns the directory could have put a name of somebody else's file into it.
    guard Self.isPlain(descriptor) else {
      close(descriptor)
      throw .refused(errno: EPERM)
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let error = errno
      close(descriptor)
      throw error == EWOULDBLOCK ? .heldByAnother : .refused(errno: error)
    }
    // Between opening and locking, its holder may have removed it: then the lock is on a file that nobody
    // else will ever find.
    guard Self.isCurrent(descriptor, path) else {
      close(descriptor)
      throw .heldByAnother
    }
    self.path = path
    self.descriptor = descriptor
  }

  private static func isCurrent(_ descriptor: Int32, _ path: String) -> Bool {
    var opened = stat()
    var named = stat()
    return unsafe fstat(descriptor, &opened) == 0 && stat(path, &named) == 0
      && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
  }

  /// Whether it is a regular file that has no other name.
  private static func isPlain(_ descriptor: Int32) -> Bool {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && status.st_nlink <= 1
  }

  deinit { close(descriptor) }

  /// Whether another process holds the file at `path` just now. Asks without keeping others who ask from it.
  static func isHeldNow(_ path: String) -> Result<Bool, Failure> {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { return .failure(.refused(errno: errno)) }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return .success(false) }
    return errno == EWOULDBLOCK ? .success(true) : .failure(.refused(errno: errno))
  }

  /// Another descriptor of the same file, to read and write, which the lock does not hang on.
  func reopen() throws(Failure) -> Int32 {
    let other = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard other >= 0 else { throw .refused(errno: errno) }
    // Whoever owns the directory could have put another file there.
    guard Self.isPlain(other), Self.isCurrent(descriptor, path), Self.isCurrent(other, path) else {
      close(other)
      throw .refused(errno: EPERM)
    }
    return other
  }

  /// Whether a process, that one if there is a number, holds the lock of the file at `path`.
  static func isHeld(_ path: String, by process: Int32? = nil) -> Bool {
    let holders = holders(path)
    return process.map(holders.contains) ?? !holders.isEmpty
  }

  /// The processes that hold the lock of the file at `path`, by the kernel's own account (proc_locks(5)). It knows
  /// processes of other PID namespaces by no number that they have themselves, and where a file system has several
  /// devices (btrfs, overlayfs), files by another than stat(2) does.
  static func holders(_ path: String) -> [Int32] {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return [] }
    let device = Self.numbers(of: status.st_dev)
    let locks = TextFile.lines("/proc/locks").compactMap { line -> (process: Int32, isSameDevice: Bool)? in
      let fields = line.split(separator: " ")
      guard fields.count >= 6, fields[1] == "FLOCK", let process = Int32(fields[4]) else { return nil }
      let place = fields[5].split(separator: ":")
      guard place.count == 3, place[2] == "\(status.st_ino)" else { return nil }
      return (process, place[..<2].map { UInt64($0, radix: 16) } == device)
    }
    let same = locks.filter { $0.isSameDevice }
    return (same.isEmpty ? locks : same).map { $0.process }
  }

  /// The major and the minor number (makedev(3)).
  private static func numbers(of device: dev_t) -> [UInt64] {
    let device = UInt64(device)
    return [
      device >> 32 & 0xffff_f000 | device >> 8 & 0xfff, device >> 12 & 0xffff_ff00 | device & 0xff,
    ]
  }

  func replaceContents(_ bytes: [UInt8]) throws(Failure) {
    // Room first: where there is none, what was there stays.
    let refusal = posix_fallocate(descriptor, 0, max(1, bytes.count))
    guard refusal == 0 || refusal == EOPNOTSUPP else { throw .refused(errno: refusal) }
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw .refused(errno: errno) }
    do {
      try TextFile.write(bytes, to: descriptor)
    } catch {
      throw .refused(errno: error.errno)
    }
    guard ftruncate(descriptor, bytes.count) == 0 else { throw .refused(errno: errno) }
  }

  func contents() throws(Failure) -> [UInt8] {
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw .refused(errno: errno) }
    do {
      return try TextFile.read(descriptor, bytesMax: TextFile.ownBytesMax)
    } catch {
      throw .refused(errno: error.errno)
    }
  }

  /// Gives the file another name, in place of what had it before.
  mutating func rename(to path: String) throws(Failure) {
    guard unsafe Glibc.rename(self.path, path) == 0 else { throw .refused(errno: errno) }
    self.path = path
  }

  /// Takes what is in it away.
  func empty() { ftruncate(descriptor, 0) }

  var isEmpty: Bool {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 && status.st_size == 0
  }

  /// Removes the file while the lock is still held, so that nobody takes over a name that goes away. Where the
  /// directory does not let this user, it leaves an empty file.
  consuming func remove() {
    if unsafe unlink(path) != 0 { ftruncate(descriptor, 0) }
  }
}
