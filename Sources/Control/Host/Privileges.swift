internal import Glibc

/// What this process may do, out of `/proc/self/status` (capabilities(7)).
struct Privileges: Equatable, Sendable {
  let effective: UInt64
  let ambient: UInt64
  let isRoot: Bool

  static func current() -> Privileges {
    Privileges(status: TextFile.lines("/proc/self/status"), isRoot: geteuid() == 0)
  }

  init(status: [String], isRoot: Bool) {
    effective = Self.mask("CapEff:", status)
    ambient = Self.mask("CapAmb:", status)
    self.isRoot = isRoot
  }

  /// A program that root starts has root's capabilities again; others keep only ambient ones.
  func check() throws(SetupError) {
    let needed = CapabilityMask.networkAdministration
    guard effective & needed != 0 else { throw .notPermitted }
    guard isRoot || ambient & needed != 0 else { throw .notPermittedForTools }
  }

  /// Whether it may go on as another user.
  var canChangeUser: Bool { effective & CapabilityMask.userAndGroup == CapabilityMask.userAndGroup }

  private static func mask(_ label: String, _ status: [String]) -> UInt64 {
    guard let line = status.first(where: { $0.hasPrefix(label) }) else { return 0 }
    return UInt64(line.dropFirst(label.count).drop(while: { $0 == "\t" || $0 == " " }), radix: 16) ?? 0
  }
}
