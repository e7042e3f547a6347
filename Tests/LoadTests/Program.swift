import Foundation
import Testing

/// A run of the guise-load that was built along with the tests, or that GUISE_LOAD_BINARY names.
final class Program {
  private let process = Process()
  private let output: FileHandle
  private let error: FileHandle
  private let directory: URL

  /// Starts at once. Output goes to files, so that nothing has to read while it runs.
  init(_ arguments: [String]) throws {
    directory = FileManager.default.temporaryDirectory.appending(path: "guise-load-test-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    output = try Self.createFile(directory.appending(path: "out"))
    error = try Self.createFile(directory.appending(path: "err"))
    process.executableURL = try Self.executable()
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = error
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    try? FileManager.default.removeItem(at: directory)
  }

  private static func createFile(_ url: URL) throws -> FileHandle {
    try Data().write(to: url)
    return try FileHandle(forUpdating: url)
  }

  private static func executable() throws -> URL {
    if let path = ProcessInfo.processInfo.environment["GUISE_LOAD_BINARY"] { return URL(filePath: path) }
    let bundle = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    let url = bundle.deletingLastPathComponent().appending(path: "guise-load")
    try #require(FileManager.default.isExecutableFile(atPath: url.path), "no guise-load at \(url.path)")
    return url
  }

  /// Waits until some UDP socket of this host has the port (/proc/net/udp, udp6).
  func waitForSocket(port: Int) throws {
    let wanted = ":" + String(format: "%04X", port) + " "
    let deadline = Date.now + 10
    while Date.now < deadline {
      for table in ["/proc/net/udp", "/proc/net/udp6"] {
        // In as many reads as it takes: the kernel gives 4 KiB at a time, and others have sockets as well.
        let bytes = try FileHandle(forReadingAtPath: table)?.readToEnd() ?? Data()
        let text = String(decoding: bytes, as: UTF8.self)
        if text.contains(wanted) { return }
      }
      try #require(process.isRunning, "the program ended early")
      Thread.sleep(forTimeInterval: 0.01)
    }
    Issue.record("nothing took port \(port)")
  }

  /// Sends a signal if asked to, waits for the end (20 s at most), and returns what was printed.
  func finish(signal: Int32? = nil) -> (status: Int32, output: String, error: String) {
    if let signal { kill(process.processIdentifier, signal) }
    let deadline = Date.now + 20
    while process.isRunning, Date.now < deadline { Thread.sleep(forTimeInterval: 0.01) }
    if process.isRunning {
      Issue.record("the program does not end")
      kill(process.processIdentifier, SIGKILL)
    }
    process.waitUntilExit()
    return (process.terminationStatus, text("out"), text("err"))
  }

  private func text(_ name: String) -> String {
    (try? String(contentsOf: directory.appending(path: name), encoding: .utf8)) ?? ""
  }
}
