internal import DataPlane
internal import Glibc
internal import Logging

/// A tunnel and the process that carries it, as one program tells the next.
package struct RunningTunnel: Equatable, Sendable, CustomStringConvertible {
  package let name: String
  package let processID: Int32

  package init(name: String, processID: Int32) {
    self.name = name
    self.processID = processID
  }

  /// `NAME:PROCESS`; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, GatewayConfiguration.isTunnelName(String(parts[0])),
      let process = Int32(parts[1]),
      process > 0
    else { return nil }
    self.init(name: String(parts[0]), processID: process)
  }

  package var description: String { "\(name):\(processID)" }
}

/// How `guise run` becomes the program that has taken its own one's place, as an upgrade of the package does
/// (docs/decisions/0082-renewal.md).
///
/// By execve(2), so that it stays the process that the service manager knows, and the parent of the tunnels'
/// processes. The next program has a process of its own take each one's flows over.
package struct Renewal: Sendable {
  /// What the program before this one left; empty at an ordinary start.
  let running: [RunningTunnel]
  /// Whether there was such a program, whatever it left.
  let isRenewal: Bool
  /// Arguments with which a program says, by exit status 0, that it can follow the configuration.
  private let check: [String]

  package init(running: [RunningTunnel], check: [String]) {
    self.running = running
    self.check = check
    isRenewal = unsafe !running.isEmpty || getenv(Self.mark) != nil
    unsafe unsetenv(Self.mark)
  }

  /// Does not return, unless the program there is of no use, which is logged: then nothing has changed.
  func execute(keeping tunnels: [RunningTunnel], _ log: Logger) {
    let path = OwnProgram.path
    log.notice("SIGUSR2: going on as the program that is now at \(path)")
    do throws(ChildProcess.Failure) {
      let outcome = try ChildProcess.run(path, check)
      guard outcome.status == 0 else {
        for line in outcome.errors.split(separator: "\n") { log.error("\(line)") }
        return log.error("the program at \(path) cannot follow the configuration: going on as this one")
      }
    } catch {
      return log.error("cannot start \(path): \(error.text)")
    }
    let own = CommandLine.arguments.filter { !$0.hasPrefix(Self.option) }
    // Not by an argument, which an older program would not know.
    unsafe setenv(Self.mark, "1", 1)
    var arguments = unsafe ProgramStart.vector(own + tunnels.map { "\(Self.option)\($0)" })
    unsafe execv(path, &arguments)
    unsafe unsetenv(Self.mark)
    log.error("cannot become \(path): \(KernelError.reason(errno))")
    for index in unsafe arguments.indices { unsafe free(arguments[index]) }
  }

  private static let option = "--running="
  private static let mark = "GUISE_RENEWED"
}
