internal import ArgumentParser
internal import Control
internal import Glibc
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
          "no tunnel runs: what \(clients[0].path) belonged to was killed ('guise cleanup' in its network namespace clears up)"
      )
    }
    return living
  }

  /// What each of them says. Where one cannot, the others do all the same.
  func ask<Value>(
    _ clients: [ControlClient], _ body: (ControlClient) throws(ControlClient.Failure) -> Value
  ) throws -> TunnelAnswers<Value> {
    var answers = TunnelAnswers<Value>()
    for client in clients {
      do throws(ControlClient.Failure) {
        answers.values.append(try body(client))
      } catch {
        answers.failures.append((client, error))
      }
    }
    if answers.values.isEmpty {
      throw CommandRefusal(
        description: answers.failures.map { Self.text(of: $0.client, $0.failure) }.joined(separator: "\n"))
    }
    return answers
  }

  fileprivate static func text(of client: ControlClient, _ failure: ControlClient.Failure) -> String {
    "\(ControlSockets.name(of: client)): \(failure.text)"
  }
}

extension ControlSockets {
  /// The device of the tunnel that a client asks.
  fileprivate static func name(of client: ControlClient) -> String {
    all().first { $0.path == client.path }?.name ?? client.path
  }
}

/// What several processes have answered, and who has not.
struct TunnelAnswers<Value> {
  fileprivate(set) var values: [Value] = []
  fileprivate var failures: [(client: ControlClient, failure: ControlClient.Failure)] = []

  /// To be called when the answers have been shown: throws what kept others from answering. Not of those that have
  /// ended meanwhile, nor of those that this user may not ask.
  func finish() throws {
    let reasons = failures.compactMap { client, failure -> String? in
      switch failure {
      case .dead, .refused(errno: EACCES): nil
      default: TunnelChoice.text(of: client, failure)
      }
    }
    guard reasons.isEmpty else { throw CommandRefusal(description: reasons.joined(separator: "\n")) }
  }
}

/// Why a command could not do its work, for the operator.
struct CommandRefusal: Error, CustomStringConvertible {
  let description: String
  var exitStatus: Int32 = 1
}
