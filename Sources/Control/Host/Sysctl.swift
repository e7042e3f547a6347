internal import Glibc

/// Kernel parameters of the caller's network namespace, under `/proc/sys`. Names are written with
/// slashes, since interface names may hold dots: `net/ipv4/conf/eth0.5/forwarding`.
struct Sysctl: Sendable {
  private let root: String

  init(root: String = "/proc/sys") { self.root = root }

  /// The value, or nil when the kernel has no such parameter.
  func read(_ name: String) -> String? { TextFile.text("\(root)/\(name)") }

  func isWritable(_ name: String) -> Bool { unsafe access("\(root)/\(name)", W_OK) == 0 }

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

  /// Whether guise can have made it: `Forwarding` changes no other parameters, and to no other values.
  var isPlausible: Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let isKnown =
      switch parts.count {
      case 3: parts == ["net", "ipv4", "ip_forward"]
      case 5:
        parts == ["net", "ipv4", "conf", "all", "accept_redirects"]
          || parts[0] == "net" && (parts[1] == "ipv4" || parts[1] == "ipv6") && parts[2] == "conf"
            && parts[3] != "." && parts[3] != ".." && (parts[4] == "forwarding" || parts[4] == "accept_ra")
      default: false
      }
    return isKnown && [before, after].allSatisfy { ["0", "1", "2"].contains($0) }
  }
}
