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
  /// not made (ENOENT). With an `owner`, as root can, the file belongs to that user.
  init(_ path: String, mustExist: Bool = false, owner: FileOwner? = nil) throws(Failure) {
    let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (mustExist ? 0 : O_CREAT)
    let descriptor = unsafe open(path, flags, 0o600)
    guard descriptor >= 0 else { throw .refused(errno: errno) }
    // Whoever owns the directory could have put a name of somebody else's file into it.
    guard Self.isPlain(descriptor) else {
      close(descriptor)
      throw .refused(errno: EPERM)
    }
    if let owner { fchown(descriptor, owner.user, owner.group) }
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

  /// Whether this process holds the lock of the file at `path`, by the kernel's own account (proc_locks(5)).
  static func isHeld(_ path: String, by process: Int32) -> Bool {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return false }
    return TextFile.lines("/proc/locks").contains { line in
      let fields = line.split(separator: " ")
      return fields.count >= 6 && fields[1] == "FLOCK" && fields[4] == "\(process)"
        && fields[5].split(separator: ":").last == "\(status.st_ino)"
    }
  }

  func replaceContents(_ bytes: [UInt8]) throws(Failure) {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw .refused(errno: errno)
    }
    do {
      try TextFile.write(bytes, to: descriptor)
    } catch {
      throw .refused(errno: error.errno)
    }
  }

  func contents() throws(Failure) -> [UInt8] {
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw .refused(errno: errno) }
    do {
      return try TextFile.read(descriptor)
    } catch {
      throw .refused(errno: error.errno)
    }
  }

  /// Gives the file another name, in place of what had it before.
  mutating func rename(to path: String) throws(Failure) {
    guard unsafe Glibc.rename(self.path, path) == 0 else { throw .refused(errno: errno) }
    self.path = path
  }

  /// Removes the file while the lock is still held, so that nobody takes over a name that goes away.
  consuming func remove() { unsafe unlink(path) }
}
