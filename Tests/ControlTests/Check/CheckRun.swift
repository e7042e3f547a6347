import Foundation
import Testing

@testable import Control

/// What `guise check` says in a namespace.
struct CheckRun {
  let status: Int32
  let entries: [Checkup.Entry]

  private struct Report: Decodable { let findings: [Checkup.Entry] }

  /// `wrapper`: a command that runs the program, which follows it.
  init(_ namespace: NetworkNamespaceFixture, _ arguments: [String] = [], wrapper: [String] = []) throws {
    let command =
      ["netns", "exec", namespace.name] + wrapper + GuiseProcess.command + ["check", "--json"] + arguments
    let outcome = try ChildProcess.run(try #require(HostTool.ip.path()), command)
    status = outcome.status
    do {
      entries = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)).findings
    } catch {
      Issue.record("no report: \(outcome.output)\(outcome.errors)")
      throw error
    }
  }

  func findings(_ check: String, _ verdict: Finding.Verdict) -> [Finding] {
    entries.filter { $0.check == check && $0.finding.verdict == verdict }.map(\.finding)
  }

  /// Records an issue unless a finding names this fault, and a remedy with each of these texts.
  func expect(
    _ check: String, _ verdict: Finding.Verdict, _ text: String, remedy: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let isNamed = findings(check, verdict).contains { finding in
      finding.text.contains(text) && remedy.allSatisfy { finding.remedy?.contains($0) == true }
    }
    #expect(isNamed, "\(entries)", sourceLocation: sourceLocation)
    if verdict == .fail { #expect(status == 1, sourceLocation: sourceLocation) }
  }
}

extension NetworkNamespaceFixture {
  /// Lets the namespace have a default route, as hosts do.
  func addDefaultRoute() throws { try ip(["route", "add", "default", "via", "203.0.113.254"]) }

  /// Joins this namespace (198.51.100.1) and another (198.51.100.2) by a cable.
  func join(_ other: NetworkNamespaceFixture) throws {
    try ip(["link", "add", "gp0", "type", "veth", "peer", "name", "gp1", "netns", other.name])
    for (end, device, host) in [(self, "gp0", 1), (other, "gp1", 2)] {
      try end.ip(["address", "add", "198.51.100.\(host)/24", "dev", device])
      try end.ip(["address", "add", "2001:db8:1::\(host)/64", "dev", device, "nodad"])
      try end.ip(["link", "set", device, "up"])
    }
  }

  /// Starts a program that listens on TCP, as long as the object lives.
  func listen(_ address: String, _ port: Int) throws -> RunningProgram {
    let program = """
      import socket, sys, time
      s = socket.create_server(("\(address)", \(port)))
      print("ready", flush=True)
      time.sleep(60)
      """
    return try RunningProgram(["ip", "netns", "exec", name, "python3", "-c", program])
  }
}

/// A program that says "ready" and then runs until the object goes.
final class RunningProgram {
  private let process = Process()

  init(_ command: [String]) throws {
    let output = Foundation.Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = output
    try process.run()
    try #require(output.fileHandleForReading.availableData.starts(with: Data("ready".utf8)))
  }

  deinit {
    process.terminate()
    process.waitUntilExit()
  }
}
