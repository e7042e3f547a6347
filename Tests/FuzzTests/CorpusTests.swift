import Foundation
import FuzzTargets
import Testing

/// What fuzzing has found worth keeping still ends well, without a fuzzer.
struct CorpusTests {
  private static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../fuzz/corpus").standardizedFileURL

  // In a process of its own, which ends where a promise is broken.
  @Test(arguments: Target.allCases) func everyInputOfTheCorpusKeepsItsPromises(_ target: Target) async throws
  {
    let log = URL.temporaryDirectory.appending(path: "guise-corpus-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: log) }
    let result = await #expect(processExitsWith: .success) { [target, log = log as String] in
      try CorpusTests.read(target, log: log)
    }
    guard result == nil else { return }
    Issue.record("\(String(decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self))")
  }

  /// `log` says where it went wrong: the last input's name, and what a check had to say.
  private static func read(_ target: Target, log: String) throws {
    let folder = corpus.appending(path: target.rawValue)
    let inputs = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    try #require(!inputs.isEmpty)
    for input in inputs {
      let descriptor = unsafe open(log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      try #require(dup2(descriptor, STDERR_FILENO) == STDERR_FILENO)
      close(descriptor)
      FileHandle.standardError.write(Data("\(input.path)\n".utf8))
      unsafe try Data(contentsOf: input).withUnsafeBytes { unsafe target.run($0) }
    }
  }
}
