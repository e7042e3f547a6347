/// What the kernel's version promises.
struct KernelCheck: Check {
  let name = "kernel"

  /// Features that guise uses where they are there, with the version that brought them.
  private static let features: [(version: Version, what: String)] = [
    (Version(5, 0), "UDP_GRO"), (Version(5, 11), "waits of less than a millisecond"),
    (Version(6, 7), "what the io_uring engine needs"),
  ]
  /// nf_tables has NAT in the family inet from here on, which guise's table is of.
  private static let oldest = Version(5, 2)

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard let release = host.sysctl.read("kernel/osrelease"), let version = Version(release) else {
      return [.warn("its version cannot be told", mend: "uname -r")]
    }
    let missing = Self.features.filter { version < $0.version }
    guard version >= Self.oldest else {
      return [
        .fail(
          "Linux \(release) has no NAT in nftables' family inet, which came with \(Self.oldest)",
          mend:
            "run Linux 6.7 or newer, or translate addresses yourself ('--firewall print', '--firewall off')")
      ]
    }
    guard missing.isEmpty else {
      let list = missing.map { "\($0.what) (\($0.version))" }.joined(separator: ", ")
      return [.warn("Linux \(release) lacks \(list): guise goes on without", mend: "run Linux 6.7 or newer")]
    }
    return [.fine("Linux \(release)")]
  }

  /// Major and minor number of a kernel.
  struct Version: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    init(_ major: Int, _ minor: Int) {
      self.major = major
      self.minor = minor
    }

    /// Reads `6.1.0-18-amd64`.
    init?(_ release: String) {
      let parts = release.split(separator: ".", maxSplits: 2)
      guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix(while: \.isNumber))
      else { return nil }
      self.init(major, minor)
    }

    static func < (a: Version, b: Version) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

    var description: String { "\(major).\(minor)" }
  }
}
