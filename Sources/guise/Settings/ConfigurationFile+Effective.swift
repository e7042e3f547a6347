internal import Control
internal import DataPlane

extension ConfigurationFile {
  /// All keys of all tunnels: what is set, and as comments what is not.
  var effective: String {
    tunnels.map { tunnel in
      let kind: TunnelKind = tunnel.configuration.role == .client ? .client : .server
      let lines = kind.keys.map { Self.line($0, tunnel.arguments) }
      return (["[\(kind.rawValue).\(Self.key(tunnel.name))]"] + lines).joined(separator: "\n")
    }.joined(separator: "\n\n")
  }

  private static func line(_ option: OptionDescription, _ arguments: [String]) -> String {
    if option.isFlag {
      return arguments.contains("--\(option.name)") ? "\(option.name) = true" : "# \(option.name) = false"
    }
    let values = arguments.filter { $0.hasPrefix("--\(option.name)=") }
      .map { String($0.dropFirst(option.name.count + 3)) }
    switch values.count {
    case 0:
      guard let value = option.defaultValue else { return "# \(option.name): \(option.explanation)" }
      return "# \(option.name) = \(written(value))"
    case 1: return "\(option.name) = \(written(values[0]))"
    default: return "\(option.name) = [\(values.map(written).joined(separator: ", "))]"
    }
  }

  /// Bare keys hold no dots (https://toml.io/en/v1.0.0#keys).
  private static func key(_ name: String) -> String { name.contains(".") ? "\"\(name)\"" : name }

  private static func written(_ value: String) -> String {
    if let number = Int(value), String(number) == value { return value }
    return "\"\(value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
  }
}
