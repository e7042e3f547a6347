internal import Glibc

/// The programs that guise has the host set up by. Arguments are passed as they are, never by a shell.
package enum HostTool: String, Sendable, CaseIterable {
  case ip
  case nft

  /// The Debian package that has it.
  var package: String {
    switch self {
    case .ip: "iproute2"
    case .nft: "nftables"
    }
  }

  /// Runs the program and returns what it printed; anything but success throws.
  @discardableResult
  package func run(_ arguments: [String], input: String = "") throws(SetupError) -> String {
    let command = ([rawValue] + arguments).joined(separator: " ")
    guard let path = path() else { throw .toolMissing(self) }
    let outcome: ChildProcess.Outcome
    do {
      outcome = try ChildProcess.run(path, arguments, input: input)
    } catch {
      switch error {
      case .notStarted(let errno), .unreadable(let errno): throw .toolNotStarted(self, errno: errno)
      case .timedOut: throw .toolTimedOut(command: command, seconds: ChildProcess.secondsMax)
      }
    }
    guard outcome.status == 0 else {
      throw .toolFailed(
        self, command: command, status: outcome.status, message: Self.firstLine(outcome.errors))
    }
    return outcome.output
  }

  /// Where the program is; the system's own folders count even when `PATH` lacks them.
  func path() -> String? {
    let own = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
    let folders = own.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
    return folders.lazy.map { "\($0)/\(self.rawValue)" }.first { unsafe access($0, X_OK) == 0 }
  }

  /// The errors of nft span lines that point into its input: the first one says it all.
  private static func firstLine(_ text: String) -> String {
    text.split(separator: "\n").first.map(String.init) ?? ""
  }
}
