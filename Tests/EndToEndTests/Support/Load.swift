import Foundation

/// Runs of `guise-load`, which makes and verifies the tests' traffic.
enum Load {
  /// What was sent, and with an echo what came back. One JSON object of `guise-load send`.
  struct Sent: Decodable, Sendable {
    let sent: Int
    let bytes: Int
    let echo: Received?
  }

  /// What arrived, of `guise-load sink`.
  struct Received: Decodable, Sendable {
    let received: Int
    let bytes: Int
    let flows: Int
    let lost: Int
    let duplicated: Int
    let reordered: Int
    let corrupt: Int
    let socketDrops: Int
    let longestSilenceSeconds: Double
  }

  /// What came back, of `guise-load sweep`.
  struct Swept: Decodable, Sendable {
    let sent: Int
    let intact: Int
    let missingSizes: [Int]
    let corruptSizes: [Int]
    let unexpected: Int
  }

  /// What `guise-load echo` counted.
  struct Echoed: Decodable, Sendable {
    let received: Int
    let sent: Int
    let dropped: Int
    let socketDrops: Int
  }

  /// What was forged, of `guise-load forge`.
  struct Forged: Decodable, Sendable {
    let sent: Int
    let kinds: [String: Int]
  }

  /// Starts a service that sends everything back, until SIGTERM.
  @discardableResult
  static func echo(in host: Namespace, at endpoint: String) async throws -> ChildProcess {
    try await listening(["echo", "--listen", endpoint, "--json"], in: host, at: endpoint)
  }

  /// Starts a service that counts and verifies, until SIGTERM.
  static func sink(in host: Namespace, at endpoint: String) async throws -> ChildProcess {
    try await listening(["sink", "--listen", endpoint, "--json"], in: host, at: endpoint)
  }

  /// Sends at an even pace for a while.
  ///
  /// - Parameters:
  ///   - rate: In guise-load's words: `300M` bits/s of payload, `20000p` datagrams/s.
  ///   - seconds: How long.
  static func send(
    in host: Namespace, to endpoint: String, rate: String, seconds: Int, _ options: String...
  ) async throws -> Sent {
    let process = try startSending(in: host, to: endpoint, rate: rate, seconds: seconds, options)
    return try await report(Sent.self, of: process, within: .seconds(seconds + 10))
  }

  /// The same without waiting for the end.
  static func startSending(
    in host: Namespace, to endpoint: String, rate: String, seconds: Int, _ options: [String] = []
  ) throws -> ChildProcess {
    try start(
      ["send", "--to", endpoint, "--rate", rate, "--duration", "\(seconds)", "--json"] + options, in: host)
  }

  /// Starts sending forged packets to one end of a live flow.
  static func startForging(
    in host: Namespace, to attacked: String, as sender: String, _ options: [String]
  ) throws -> ChildProcess {
    try start(["forge", "--to", attacked, "--as", sender, "--json", "--quiet"] + options, in: host)
  }

  /// Has one datagram of every size come back from an echo service.
  static func sweep(
    in host: Namespace, to endpoint: String, sizes: ClosedRange<Int>, _ options: String...
  ) async throws -> Swept {
    let sizes = "\(sizes.lowerBound)-\(sizes.upperBound)"
    let process = try start(["sweep", "--to", endpoint, "--sizes", sizes, "--json"] + options, in: host)
    return try await report(Swept.self, of: process, within: .seconds(20))
  }

  /// Ends a service and returns what it counted.
  static func stop<Report: Decodable>(_ service: ChildProcess, for type: Report.Type) async throws -> Report {
    service.send(SIGTERM)
    return try await report(type, of: service, within: .seconds(5))
  }

  private static func start(_ arguments: [String], in host: Namespace) throws -> ChildProcess {
    try host.start([Program.load.get()] + arguments)
  }

  /// Starts a service and waits until its socket is there.
  private static func listening(
    _ arguments: [String], in host: Namespace, at endpoint: String
  ) async throws -> ChildProcess {
    let process = try start(arguments, in: host)
    let port = String(try SocketName(endpoint).port, radix: 16, uppercase: true)
    let pattern = ":" + String(repeating: "0", count: 4 - port.count) + port + " "
    try await until("\(process.title) to listen", within: .seconds(5)) {
      try host.run("cat", "/proc/net/udp", "/proc/net/udp6").contains(pattern)
    }
    return process
  }

  /// Decodes what a run printed when it has ended, whatever its exit code says.
  static func report<Report: Decodable>(
    _ type: Report.Type, of process: ChildProcess, within limit: Duration
  ) async throws -> Report {
    let exit = try await process.ended(within: limit)
    do {
      return try JSONDecoder().decode(type, from: Data(process.output.utf8))
    } catch {
      throw CommandFailure(
        description: "\(process.title) ended with \(exit) and no report (\(error)): \(process.log)")
    }
  }
}
