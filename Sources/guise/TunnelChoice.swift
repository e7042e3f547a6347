internal import ArgumentParser
internal import Control
internal import Telemetry

/// Which running processes a command is about.
struct TunnelChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("The tunnel's TUN device, as in guise0.", valueName: "device"))
  var device: String?

  /// The control sockets that may be of those.
  var sockets: [ControlSockets.Entry] { ControlSockets.all().filter { device == nil || $0.name == device } }

  /// Those that are alive and meant.
  func clients() throws -> [ControlClient] {
    let clients = sockets.map { ControlClient($0.path) }
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
  var exitStatus: Int32 = 1
}
