internal import ArgumentParser
internal import Control

/// The two kinds of tables that describe tunnels in a configuration file, `[client.NAME]` and `[server.NAME]`: a key
/// for each option of the command of that name.
enum TunnelKind: String, CaseIterable {
  case client
  case server

  private var command: any GatewayCommand.Type {
    switch self {
    case .client: ClientCommand.self
    case .server: ServerCommand.self
    }
  }

  /// The keys of its tables. The table's own name stands for `--name`.
  var keys: [OptionDescription] { Self.keys[self]! }
  private static let keys = Dictionary(
    uniqueKeysWithValues: allCases.map { kind in
      (kind, OptionDescription.all(of: kind.command).filter { $0.name != "name" })
    })

  /// Keys that hold for one tunnel alone: two with the same would be in each other's way.
  static let ownKeys = ["local", "remote", "tun", "tun-local", "tun-peer", "tun-local6", "tun-peer6"]

  /// Reads a command line, which the key `name` may be a part of by `arguments`. Throws what is wrong in the file's
  /// words: no dashes, no names of values.
  func parse(_ arguments: [String]) throws(Complaint) -> any GatewayCommand {
    do {
      guard let command = try command.parseAsRoot(arguments) as? any GatewayCommand else {
        preconditionFailure("options that ask about the command are none of its keys")
      }
      return command
    } catch {
      throw Complaint(command.message(for: error), keys)
    }
  }

  /// Whether the value of one option is possible.
  func check(_ option: OptionDescription, _ arguments: [String]) throws(Complaint) {
    let others = placeholders.filter { $0.key != option.name }.map { "--\($0.key)=\($0.value)" }
    _ = try parse(others.sorted() + arguments)
  }

  /// What a command line cannot do without.
  private var placeholders: [String: String] {
    switch self {
    case .client: ["local": "127.0.0.1:1", "remote": "192.0.2.1:1"]
    case .server: ["local": "1", "remote": "127.0.0.1:1"]
    }
  }

  struct Complaint: Error {
    let text: String
    /// The keys that it speaks of.
    let keys: [String]

    fileprivate init(_ message: String, _ keys: [OptionDescription]) {
      var text = message
      var named: [String] = []
      // Longer names first: '--tun-local6' holds '--tun-local'.
      for key in keys.sorted(by: { $0.name.count > $1.name.count }) where text.contains("--\(key.name)") {
        text = text.replacing("--\(key.name) <\(key.valueName)>", with: key.name)
        text = text.replacing("--\(key.name)", with: key.name)
        named.append(key.name)
      }
      self.text = text
      self.keys = named
    }
  }
}
