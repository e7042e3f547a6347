import Foundation
import Testing

@testable import guise_uring

/// The program itself, with next to no work. Needs root, as the experiments do.
@Suite("The program guise-uring", .serialized, .timeLimit(.minutes(1)))
struct ProgramTests {
  @Test("Every experiment runs and has figures for all contenders that the kernel supports")
  func everyExperiment() throws {
    let ended = try run(["--rounds", "1", "--operations", "64", "--json"])
    #expect(ended.status == 0, "\(ended.error)")
    let report = try JSONDecoder().decode(Report.self, from: ended.output)
    #expect(report.results.map(\.experiment) == Experiments.all.map { $0.name })
    for comparison in report.results.flatMap(\.comparisons) {
      for row in comparison.rows where row.unsupported == nil {
        #expect((row.wall?.median ?? 0) > 0, "\(comparison.load): \(row.contender)")
      }
      #expect(comparison.rows.contains { $0.unsupported == nil }, "\(comparison.load)")
    }
  }

  @Test("Wrong usage ends with 2", arguments: [["--experiment", "none"], ["--rounds", "0"]])
  func usage(arguments: [String]) throws {
    let ended = try run(arguments)
    #expect(ended.status == 2)
    #expect(ended.error.contains("Error: "))
  }

  @Test("Every experiment has its decision page", arguments: Experiments.all.map { $0.decision })
  func pages(decision: String) {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    #expect(FileManager.default.fileExists(atPath: root.appending(path: "docs/decisions/\(decision)").path))
  }

  private func run(_ arguments: [String]) throws -> (status: Int32, output: Data, error: String) {
    let bundle = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    let process = Process()
    process.executableURL = bundle.deletingLastPathComponent().appending(path: "guise-uring")
    process.arguments = arguments
    let output = Pipe()
    let error = Pipe()
    process.standardOutput = output
    process.standardError = error
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = error.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, text, String(decoding: complaint, as: UTF8.self))
  }
}
