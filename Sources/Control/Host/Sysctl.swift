/// Kernel parameters of the caller's network namespace, under `/proc/sys`. Names are written with
/// slashes, since interface names may hold dots: `net/ipv4/conf/eth0.5/forwarding`.
struct Sysctl: Sendable {
  private let root: String

  init(root: String = "/proc/sys") { self.root = root }

  /// The value, or nil when the kernel has no such parameter.
  func read(_ name: String) -> String? { TextFile.text("\(root)/\(name)") }

  func write(_ name: String, _ value: String) throws(SetupError) {
    do {
      try TextFile.write(value, to: "\(root)/\(name)")
    } catch {
      throw .sysctlRefused(name: name, value: value, errno: error.errno)
    }
  }

  /// What lies below a name, such as the interfaces below `net/ipv6/conf`.
  func children(of name: String) -> [String] { TextFile.names(in: "\(root)/\(name)") }
}

/// One parameter that guise changed, and what to put back.
struct SysctlChange: Codable, Equatable, Sendable {
  let name: String
  let before: String
  let after: String
}
