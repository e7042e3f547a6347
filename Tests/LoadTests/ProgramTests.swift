import Foundation
import LoadModel
import Testing

/// The program itself, over loopback, on ports that nothing else uses.
@Suite("The program guise-load", .timeLimit(.minutes(1)))
struct ProgramTests {
  @Test("A sink told what was sent knows that nothing was lost, whatever the sizes")
  func sendAndSink() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "guise-load-\(UUID()).json")
    defer { try? FileManager.default.removeItem(at: file) }
    let sink = try Program(["sink", "--listen", "127.0.0.1:47001", "--json", "--expect-json", file.path])
    try sink.waitForSocket(port: 47001)
    let sender = try Program([
      "send", "--to", "127.0.0.1:47001", "--flows", "5", "--size", "0-1400", "--rate", "20kp", "--count",
      "5003",
      "--per-flow", "--json",
    ])
    let sentText = sender.finish()
    try sentText.output.write(to: file, atomically: true, encoding: .utf8)
    let received = sink.finish(signal: SIGTERM)
    #expect(sentText.status == 0)
    #expect(received.status == 0, "\(received.error)")

    let sent = try JSONText.decode(SendReport.self, from: Array(sentText.output.utf8))
    let report = try JSONText.decode(ArrivalReport.self, from: Array(received.output.utf8))
    #expect(sent.sent == 5_003)
    #expect(sent.perFlow?.reduce(0) { $0 + $1.sent } == 5_003)
    #expect(report.received == 5_003)
    #expect(report.sent == 5_003)
    #expect(report.lost == 0)
    #expect(report.corrupt == 0)
    #expect(report.flows == 5)
    #expect(report.bytes == sent.bytes)
  }

  @Test("Trains that the kernel cuts arrive as the datagrams they are made of", arguments: [false, true])
  func trains(offload: Bool) throws {
    let port = offload ? 47012 : 47011
    let gro = offload ? ["--gro"] : []
    let sink = try Program(["sink", "--listen", "127.0.0.1:\(port)", "--json"] + gro)
    try sink.waitForSocket(port: port)
    let sender = try Program([
      "send", "--to", "127.0.0.1:\(port)", "--gso", "16", "--rate", "200M", "--count", "1001", "--quiet",
    ])
    #expect(sender.finish().status == 0)
    let received = sink.finish(signal: SIGINT)
    let report = try JSONText.decode(ArrivalReport.self, from: Array(received.output.utf8))
    #expect(report.received == 1_001)
    #expect(report.bytes == 1_001 * 1_400)
    #expect(report.lost == 0)
    #expect(report.corrupt == 0)
  }

  @Test("Flows are opened before they are measured, and bunched bursts keep the rate")
  func opening() throws {
    let sink = try Program(["sink", "--listen", "127.0.0.1:47031", "--json"])
    try sink.waitForSocket(port: 47031)
    let sender = try Program([
      "send", "--to", "127.0.0.1:47031", "--flows", "3", "--opening", "2", "--rate", "3200p", "--burst", "32",
      "--bunched", "--duration", "1", "--json",
    ]).finish()
    let received = sink.finish(signal: SIGTERM)
    let sent = try JSONText.decode(SendReport.self, from: Array(sender.output.utf8))
    let report = try JSONText.decode(ArrivalReport.self, from: Array(received.output.utf8))
    #expect(sent.sent % 32 == 0)
    #expect(abs(Int(sent.sent) - 3_200) <= 64 * 5)
    #expect(report.received == sent.sent)
    #expect(report.durationSeconds < 1.1)
  }

  @Test("An echo gives every size back, and answers from the address it was spoken to at")
  func echo() throws {
    let echo = try Program(["echo", "--listen", "0.0.0.0:47021", "--json"])
    try echo.waitForSocket(port: 47021)
    let sweep = try Program(["sweep", "--to", "127.0.0.3:47021", "--clients", "3", "--json"]).finish()
    let ping = try Program(["ping", "--to", "127.0.0.2:47021", "--count", "20", "--json"]).finish()
    let flows = try Program([
      "send", "--to", "127.0.0.4:47021", "--echo", "--flows", "4", "--rate", "5kp", "--count", "1000",
      "--json",
    ]).finish()
    let echoed = echo.finish(signal: SIGTERM)
    #expect(sweep.status == 0, "\(sweep.error)")
    #expect(try JSONText.decode(SweepReport.self, from: Array(sweep.output.utf8)).intact == 3 * 1_460)
    #expect(try JSONText.decode(PingReport.self, from: Array(ping.output.utf8)).received == 20)
    let sent = try JSONText.decode(SendReport.self, from: Array(flows.output.utf8))
    #expect(sent.echo?.received == 1_000)
    #expect(sent.echo?.lost == 0)
    #expect(sent.echo?.latencyMicroseconds?.count == 1_000)
    #expect(try JSONText.decode(EchoReport.self, from: Array(echoed.output.utf8)).sent == 3 * 1_460 + 1_020)
  }

  @Test(
    "Wrong usage ends with 2 and says so on stderr",
    arguments: [
      ["send"], ["send", "--to", "127.0.0.1"], ["sink", "--listen", "127.0.0.1:1", "--verify", "some"],
      ["send", "--to", "127.0.0.1:1", "--rate", "0"], ["send", "--to", "127.0.0.1:1", "--bunched"],
      ["send", "--to", "127.0.0.1:1", "--opening", "101"], ["send", "--to", "127.0.0.1:1", "--gso", "65"],
      ["nothing"],
      ["ping", "--to", "127.0.0.1:1", "--size", "0"], ["sweep", "--to", "127.0.0.1:0"],
    ])
  func usage(arguments: [String]) throws {
    let ended = try Program(arguments).finish()
    #expect(ended.status == 2)
    #expect(ended.output.isEmpty)
    #expect(ended.error.contains("Error: "))
  }

  @Test("A silent far end and a port in use end with 1 and one line that says what is wrong")
  func refusals() throws {
    let silent = try Program(["ping", "--to", "127.0.0.1:47039", "--count", "2", "--quiet"]).finish()
    #expect(silent.status == 1)
    #expect(silent.error == "guise-load: nothing came back from 127.0.0.1:47039: does an echo run there?\n")

    let first = try Program(["sink", "--listen", "127.0.0.1:47032", "--quiet"])
    try first.waitForSocket(port: 47032)
    let second = try Program(["echo", "--listen", "127.0.0.1:47032"]).finish()
    #expect(second.status == 1)
    #expect(second.error.hasPrefix("guise-load: bind(127.0.0.1:47032): "))
    #expect(first.finish(signal: SIGTERM).status == 0)
  }

  @Test("A sink ends by itself after silence, or after its time")
  func ends() throws {
    let timed = try Program(["sink", "--listen", "127.0.0.1:47041", "--duration", "0.2", "--json"]).finish()
    #expect(timed.status == 0)
    let idle = try Program(["sink", "--listen", "127.0.0.1:47042", "--idle-exit", "2", "--json"])
    try idle.waitForSocket(port: 47042)
    #expect(try Program(["send", "--to", "127.0.0.1:47042", "--count", "3"]).finish().status == 0)
    #expect(idle.finish().output.contains("\"received\":3,"))
  }
}
