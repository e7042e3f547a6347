internal import DataPlane
internal import Glibc

/// Whole small files, as `/proc` and `/sys` have them: read until the end, written in one call where the kernel takes
/// all at once.
package enum TextFile {
  package struct Refused: Error, Equatable {
    let errno: Int32

    package var text: String { KernelError.reason(errno) }
  }

  package static func read(_ path: String) throws(Refused) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Refused(errno: errno) }
    defer { close(descriptor) }
    return try read(descriptor)
  }

  /// What records of guise's may take.
  static let ownBytesMax = 1 << 20

  /// A record of guise's, in a folder that may be an unprivileged user's: no link, no pipe that never ends, and of no
  /// more than `ownBytesMax` bytes (EFBIG).
  static func readOwn(_ path: String) throws(Refused) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { throw Refused(errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Refused(errno: EINVAL)
    }
    return try read(descriptor, bytesMax: ownBytesMax)
  }

  static func read(_ descriptor: Int32, bytesMax: Int = .max) throws(Refused) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
      if count > 0 {
        bytes += chunk[..<count]
        guard bytes.count <= bytesMax else { throw Refused(errno: EFBIG) }
      } else if count == 0 {
        return bytes
      } else if errno != EINTR {
        throw Refused(errno: errno)
      }
    }
  }

  /// The text without white space at either end; nil when there is no such file or it cannot be read.
  static func text(_ path: String) -> String? {
    guard let bytes = try? read(path) else { return nil }
    let isSpace = { (byte: UInt8) in byte <= UInt8(ascii: " ") }
    let trimmed = bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
    return String(decoding: trimmed, as: UTF8.self)
  }

  static func lines(_ path: String) -> [String] {
    (text(path) ?? "").split(separator: "\n").map(String.init)
  }

  /// Replaces an existing file's contents.
  static func write(_ text: String, to path: String) throws(Refused) {
    let descriptor = unsafe open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
    guard descriptor >= 0 else { throw Refused(errno: errno) }
    defer { close(descriptor) }
    try write(Array(text.utf8), to: descriptor)
  }

  /// Writes all of it (write(2) may take less at a time).
  package static func write(_ bytes: [UInt8], to descriptor: Int32) throws(Refused) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 || count < 0 && errno == EINTR else { throw Refused(errno: count < 0 ? errno : EIO) }
      rest = rest.dropFirst(max(count, 0))
    }
  }

  /// The names in a folder, without `.` and `..`, sorted; empty when there is no such folder.
  static func names(in folder: String) -> [String] {
    guard let stream = unsafe opendir(folder) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
