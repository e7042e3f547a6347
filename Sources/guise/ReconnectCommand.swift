internal import ArgumentParser
internal import Telemetry

/// `guise reconnect`.
struct ReconnectCommand: SelectingCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconnect",
    abstract: "Opens a client's flows anew, from other TCP ports, while datagrams go on.",
    discussion: """
      For a path that has become slow or a NAT that has gone wrong: what goes by ports takes another way then. All \
      flows, or those that fit everything that is given:

        guise reconnect
        guise reconnect guise0 --peer 127.0.0.1:51820

      Each goes to the server that is preferred now, and takes over once the server has answered; programs keep their \
      end, and lose nothing. The service sees a new sender. A server opens no flows. Only root and the user who \
      started guise may do it. The exit status is 4 when there was no such flow, or only such as are being opened.
      """)

  @OptionGroup var choice: TunnelChoice
  @OptionGroup var selection: FlowSelectionOptions

  mutating func run() throws {
    try act(on: clients(), "opening anew") { client, query throws(ControlClient.Failure) in
      try client.reconnectFlows(query)
    }
  }

  /// Those that are no servers'. A server that is named, or alone, says for itself why it does not.
  private func clients() throws -> [ControlClient] {
    let all = try choice.clients()
    let others = all.filter { client in
      (try? client.status())?.tunnels.contains { $0.tunnel.role == "client" } ?? true
    }
    return others.isEmpty ? all : others
  }
}
