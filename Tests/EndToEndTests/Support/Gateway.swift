import Glibc

/// A running `guise`.
struct Gateway: Sendable {
  let host: Namespace
  let process: ChildProcess

  /// Starts `guise client …` or `guise server …` and waits until it is ready.
  ///
  /// - Parameter wrapper: A command that runs `guise`, which follows it.
  static func start(
    _ arguments: [String], in host: Namespace, wrapper: [String] = []
  ) async throws -> Gateway {
    let gateway = try launch(arguments, in: host, wrapper: wrapper)
    try await gateway.isReady()
    return gateway
  }

  /// A wrapper: the kernel takes no programs then.
  static let withoutBPF = ["setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-bpf,-sys_admin"]

  /// Starts it and waits for nothing.
  static func launch(_ arguments: [String], in host: Namespace, wrapper: [String] = []) throws -> Gateway {
    let command = try wrapper + [Program.guise.get()] + arguments
    let title = (["guise"] + arguments).joined(separator: " ")
    return Gateway(host: host, process: try host.start(command, title: title))
  }

  /// Waits until it carries datagrams; throws when it ends instead, or says nothing.
  func isReady() async throws {
    try await until("\(process.title) to be ready", within: .seconds(5)) {
      if let exit = process.poll() {
        throw CommandFailure(description: "\(process.title) ended with \(exit)")
      }
      return log.contains(Self.readyWord)
    }
  }

  private static let readyWord = " ready: "

  /// What it has logged so far.
  var log: String { process.log }

  /// Log lines that contain `text`.
  func logLines(with text: String) -> [Substring] {
    log.split(separator: "\n").filter { $0.lowercased().contains(text.lowercased()) }
  }

  /// Its TUN device.
  var device: String {
    get throws {
      guard let match = log.firstMatch(of: /(\S+): MTU/) else {
        throw CommandFailure(description: "no device in the log:\n\(log)")
      }
      return String(match.1)
    }
  }

  /// Sends a signal and waits for the end.
  @discardableResult
  func stop(_ signal: Int32 = SIGTERM, within limit: Duration = .seconds(3)) async throws -> Exit {
    process.send(signal)
    return try await process.ended(within: limit)
  }

  /// Its counters now (SIGUSR1).
  func counters() async throws -> CounterTable {
    let seen = CounterTable.all(in: log).count
    process.send(SIGUSR1)
    return try await eventually("a table of counters", within: .seconds(2)) {
      let tables = CounterTable.all(in: log)
      return tables.count > seen && tables.last!.isWhole ? tables.last : nil
    }
  }

  /// Waits until a counter has a value; throws when it does not within a second.
  func counts(_ counter: String, _ value: Int) async throws {
    let deadline = ContinuousClock.now + .seconds(1)
    while true {
      let table = try await counters()
      if try table[counter] == value { return }
      guard ContinuousClock.now < deadline else {
        throw Overdue(description: "\(counter) never became \(value): \(table)")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// The counters it printed when it ended.
  func finalCounters() throws -> CounterTable {
    guard let table = CounterTable.all(in: log).last else {
      throw CommandFailure(description: "no table of counters in the log:\n\(log)")
    }
    return table
  }

  /// Memory that it has taken for data, in bytes (`VmData` of proc(5)).
  ///
  /// What is resident would say less: buffers that were taken at the start count there only once used.
  func memoryTaken() throws -> Int { try memory("VmData") }

  /// By how much it may grow all the same, in bytes: the heap's step or two.
  static let heapSteps = 300 << 10

  /// Memory that it has touched, in bytes (`VmRSS`).
  func memoryTouched() throws -> Int { try memory("VmRSS") }

  private func memory(_ field: String) throws -> Int {
    let status = try host.run("cat", "/proc/\(process.pid)/status")
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("\(field):") }),
      let kilobytes = line.firstMatch(of: /(\d+) kB/)
    else { throw CommandFailure(description: "no \(field) in:\n\(status)") }
    return Int(kilobytes.1)! * 1024
  }
}
