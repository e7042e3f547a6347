internal import ArgumentParser
internal import CLiburing
internal import Control
internal import DataPlane
internal import Glibc
internal import LoadModel

/// Measures ways to use io_uring against each other, each experiment a question of docs/decisions.
@main
struct GuiseUring: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guise-uring",
    abstract: "Measures ways to use io_uring against each other, on TUN and UDP.",
    discussion: """
      Each experiment lets its contenders take turns, round by round, and prints a Markdown table: median \
      CPU time of an operation, the least and the most of all rounds, and the ratio to the first contender \
      within rounds. CPU time is that of the process with its kernel threads, or where another thread \
      makes the load, of the thread that takes it. What the running kernel does not support is named and \
      left out.

      Everything happens in two network namespaces that end with the program. Needs root, /dev/net/tun and \
      the program ip.

      Experiments:
      \(Experiments.all.map { "  \($0.name): \($0.question)" }.joined(separator: "\n"))

      Examples:
        guise-uring
        guise-uring --experiment tun-reads --experiment sqpoll --rounds 11
        guise-uring --experiment registered-buffers --json

      Exit codes: 0 fine, 1 the host or the kernel refused something, 2 wrong usage.
      """,
    version: "0.1.0")

  @Option(
    name: .customLong("experiment"),
    help: ArgumentHelp("Only this one; may be repeated.", valueName: "name"),
    completion: .list(Experiments.all.map { $0.name }))
  var names: [String] = []

  @Option(help: ArgumentHelp("How often every contender takes its turn.", valueName: "count"))
  var rounds = 7

  @Option(
    help: ArgumentHelp(
      "Operations of a contender a round; a fraction of it where one is costly.", valueName: "count"))
  var operations = 40_000

  @Flag(help: "Print one JSON object on stdout, and the tables on stderr.")
  var json = false

  func validate() throws {
    for name in names where Experiments.named(name) == nil {
      throw ValidationError(
        "There is no experiment '\(name)': choose from \(Experiments.all.map { $0.name }.joined(separator: ", "))."
      )
    }
    guard rounds > 0, operations > 0 else {
      throw ValidationError("'--rounds' and '--operations' are at least 1.")
    }
  }

  func run() throws {
    guard geteuid() == 0 else { throw Failure("needs root, for network namespaces and TUN devices") }
    try UringProbe.run()
    Processor.pin(to: .contender)
    guise_make_timers_precise()
    let host = try TestHost()
    let chosen = names.isEmpty ? Experiments.all : names.compactMap { Experiments.named($0) }
    let text: StandardStream = json ? .error : .output
    var report = Report(rounds: rounds, operations: operations)
    text.write(
      "Linux \(report.kernel), \(Figures.quantity(UInt64(report.processors), "processor")), "
        + "\(Figures.quantity(UInt64(rounds), "round"))\n")
    for experiment in chosen {
      text.write("\n\(experiment.name): \(experiment.question)\n(docs/decisions/\(experiment.decision))\n")
      let bench = Bench(host: host, rounds: rounds, operations: operations)
      try experiment.run(bench)
      for comparison in bench.comparisons { text.write("\n\(comparison.table)\n") }
      report.results.append(
        Report.Result(
          experiment: experiment.name, question: experiment.question, comparisons: bench.comparisons))
    }
    if json { StandardStream.output.write(try JSONText.encode(report) + "\n") }
  }

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      exit(reporting: error)
    }
  }

  /// Ends the program with one clear message and the exit code that goes with it.
  private static func exit(reporting error: any Error) -> Never {
    if error is KernelError || error is SetupError || error is Failure {
      StandardStream.error.write("guise-uring: \(error)\n")
      Glibc.exit(1)
    }
    let code = exitCode(for: error)
    let text = fullMessage(for: error)
    if !text.isEmpty { (code.isSuccess ? StandardStream.output : .error).write(text + "\n") }
    Glibc.exit(code == .validationFailure ? 2 : code.rawValue)
  }
}

/// What the program itself refuses.
private struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
