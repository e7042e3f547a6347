import Foundation
import Testing

/// What the machine lacks to run the end-to-end tests.
struct HostLacks: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = "end-to-end tests need \(description)" }
}

/// Checks before each test that the host has what it takes, and starts from a clean slate.
struct HostIsReadyTrait: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try Self.check.get()
    try await Machine.shared.use(alone: test.traits.contains { $0 is AloneTrait }) {
      try await Self.record(test, function)
    }
  }

  /// Runs a test whose failures show what its programs printed, and which leaves none behind.
  private static func record(_ test: Test, _ function: @Sendable () async throws -> Void) async throws {
    let transcript = Transcript()
    defer { transcript.killAll() }
    try await Transcript.$current.withValue(transcript) {
      do {
        try await function()
      } catch let known as ExpectationFailedError {
        throw known
      } catch {
        // Further out nobody knows what this test's programs printed.
        Issue.record(error, sourceLocation: test.sourceLocation)
      }
    }
  }

  /// Looked into once; leftovers of runs that died go at the same time.
  private static let check = Result<Void, any Error> {
    guard geteuid() == 0 else { throw HostLacks("root: run `sudo make test`") }
    for (tool, package) in [
      ("ip", "iproute2"), ("nft", "nftables"), ("setpriv", "util-linux"), ("unshare", "util-linux"),
    ] where Program.path(of: tool) == nil {
      throw HostLacks("`\(tool)`: apt install \(package)")
    }
    guard FileManager.default.fileExists(atPath: "/dev/net/tun") else {
      throw HostLacks("/dev/net/tun: modprobe tun")
    }
    _ = try Program.guise.get()
    _ = try Program.load.get()
    try Namespace.removeStale()
  }
}

extension Trait where Self == HostIsReadyTrait {
  /// Fails the test when the host lacks a tool, a privilege or a built program.
  static var hostIsReady: Self { HostIsReadyTrait() }
}
