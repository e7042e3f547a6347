internal import ArgumentParser
internal import Control
internal import Telemetry

/// `guise status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Shows how running tunnels are: traffic, workers, drops, firewall.",
    discussion:
      "All of this host's that this user may ask, or the one of a TUN device. Rates are of the last second.")

  @OptionGroup var choice: TunnelChoice

  @Flag(help: "Print everything there is to know as JSON.")
  var json = false

  mutating func run() throws {
    var reports: [TunnelReport] = []
    for client in try choice.clients() {
      reports += try choice.ask { () throws(ControlClient.Failure) in try client.status() }.tunnels
    }
    if json {
      print(String(decoding: JSON.encode(StatusReport(tunnels: reports), isPretty: true), as: UTF8.self))
    } else {
      print(reports.map { StatusText($0).text }.joined(separator: "\n"), terminator: "")
    }
  }
}

/// Which running processes a command is about.
struct TunnelChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("The tunnel's TUN device, as in guise0.", valueName: "device"))
  var device: String?

  /// Those that are alive and meant.
  func clients() throws -> [ControlClient] {
    let entries = ControlSockets.all().filter { device == nil || $0.name == device }
    let clients = entries.map { ControlClient($0.path) }
    guard !clients.isEmpty else {
      throw CommandRefusal(
        description: device.map { "no tunnel '\($0)' runs on this host ('guise status' lists those that do)" }
          ?? "no tunnel runs on this host")
    }
    let living = clients.filter(\.isAlive)
    guard !living.isEmpty else {
      throw CommandRefusal(
        description:
          "no tunnel runs: what \(clients[0].path) belonged to was killed ('guise cleanup' clears up)")
    }
    return living
  }

  func ask<Value>(_ body: () throws(ControlClient.Failure) -> Value) throws -> Value {
    do {
      return try body()
    } catch {
      throw CommandRefusal(description: error.text)
    }
  }
}

/// Why a command could not do its work, for the operator.
struct CommandRefusal: Error, CustomStringConvertible {
  let description: String
}
