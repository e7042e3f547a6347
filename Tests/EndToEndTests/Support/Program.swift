import Foundation

/// Where the programs under test are.
enum Program {
  /// `guise`: $GUISE_BINARY, or the one built next to these tests.
  static let guise = Result { try built("guise", override: "GUISE_BINARY") }

  /// `guise-load`: $GUISE_LOAD_BINARY, or the one built next to these tests.
  static let load = Result { try built("guise-load", override: "GUISE_LOAD_BINARY") }

  /// The full path of a tool, or nil when PATH and the system folders have none.
  static func path(of tool: String) -> String? {
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    return (folders + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
      .map { "\($0)/\(tool)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static var environment: [String: String] { ProcessInfo.processInfo.environment }

  private static func built(_ name: String, override: String) throws -> String {
    if let path = environment[override] {
      guard FileManager.default.isExecutableFile(atPath: path) else {
        throw HostLacks("an executable at $\(override) = \(path)")
      }
      return path
    }
    let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    for folder in [bundle.deletingLastPathComponent(), Bundle.main.bundleURL] {
      let path = folder.appendingPathComponent(name).path
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw HostLacks("`\(name)`: build it first (`swift build`), or set $\(override)")
  }
}
