import Foundation
import Glibc

/// Hears what a service says of itself, as systemd does (sd_notify(3)).
final class ServiceManager {
  let path = "/tmp/guise-e2e-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
  private let descriptor: Int32
  private var messages: [String] = []

  init() throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let bound = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard bound == 0 else { throw CommandFailure(description: "cannot bind \(path): errno \(errno)") }
  }

  deinit {
    close(descriptor)
    unsafe unlink(path)
  }

  /// All that it has said so far.
  func heard() -> [String] {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    while case let count = unsafe recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT)), count > 0 {
      messages.append(String(decoding: bytes[..<count], as: UTF8.self))
    }
    return messages
  }
}
