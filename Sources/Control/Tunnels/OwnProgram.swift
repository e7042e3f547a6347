internal import Glibc

/// The program that this process runs.
enum OwnProgram {
  /// Where it lies; where another version has taken its place there, that one.
  static var path: String {
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe bytes.withUnsafeMutableBytes { bytes in
      unsafe readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    let path = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    let isReplaced = path.hasSuffix(deleted)
    let place = isReplaced ? String(path.dropLast(deleted.count)) : path
    return unsafe access(place, X_OK) == 0 ? place : "/proc/self/exe"
  }

  /// What proc(5) adds to the path of a program whose file is gone.
  private static let deleted = " (deleted)"
}
