internal import Control

/// Makes tunnels of the tables of a document, and a list of all that is wrong.
struct ConfigurationReader {
  private(set) var tunnels: [TunnelPlan] = []
  private(set) var faults: [ConfigurationFile.Unusable.Fault] = []

  private var common: [Setting] = []
  /// Where each tunnel's table begins.
  private var lines: [String: Int] = [:]
  private var claims = TunnelClaims()

  /// A key with a possible value, as options of a command line.
  private struct Setting {
    let key: String
    let line: Int
    let arguments: [String]
  }

  mutating func complain(_ line: Int?, _ text: String) {
    faults.append(ConfigurationFile.Unusable.Fault(line: line, text: text))
  }

  mutating func read(_ document: [TOMLNode]) {
    var tables: [(kind: TunnelKind, TOMLNode)] = []
    for node in document {
      if let kind = TunnelKind(rawValue: node.key) {
        tables += self.tables(kind, node).map { (kind, $0) }
      } else if case .table = node.value {
        complain(
          node.line,
          "unknown table '\(node.key)'" + suggestion(node.key, TunnelKind.allCases.map(\.rawValue))
            + ": tunnels are [client.NAME] and [server.NAME]")
      } else {
        readCommon(node)
      }
    }
    for (kind, table) in tables { read(kind, table) }
    if tables.isEmpty, faults.isEmpty {
      complain(nil, "there is no tunnel: write a table [client.NAME] or [server.NAME]")
    }
  }

  /// The tables below `client` or `server`.
  private mutating func tables(_ kind: TunnelKind, _ node: TOMLNode) -> [TOMLNode] {
    let advice = "a tunnel has a name of its own: write [\(kind.rawValue).NAME]"
    guard case .table(let children) = node.value else {
      complain(node.line, advice)
      return []
    }
    return children.filter { child in
      if case .table = child.value { return true }
      complain(child.line, advice)
      return false
    }
  }

  // MARK: - Keys of all tunnels

  private mutating func readCommon(_ node: TOMLNode) {
    guard !TunnelKind.ownKeys.contains(node.key) else {
      return complain(
        node.line, "'\(node.key)' is of one tunnel: write it below its [client.NAME] or [server.NAME]")
    }
    let kinds = TunnelKind.allCases.filter { $0.keys.contains { $0.name == node.key } }
    guard let kind = kinds.first else {
      return complain(node.line, unknown(node.key, TunnelKind.allCases.flatMap(\.keys).map(\.name)))
    }
    guard let setting = setting(kind, node) else { return }
    common.append(setting)
  }

  // MARK: - A tunnel

  private mutating func read(_ kind: TunnelKind, _ table: TOMLNode) {
    guard case .table(let nodes) = table.value else { return }
    let title = "[\(kind.rawValue).\(table.key)]"
    guard GatewayConfiguration.isTunnelName(table.key) else {
      return complain(
        table.line,
        "'\(table.key)' cannot be the name of a tunnel: use up to 32 letters, digits, '-', '_' or '.'")
    }
    let faultCount = faults.count
    if let line = lines.updateValue(table.line, forKey: table.key) {
      complain(table.line, "there is a tunnel '\(table.key)' already, on line \(line): give it another name")
    }
    var own: [Setting] = []
    for node in nodes { if let setting = setting(kind, node, title) { own.append(setting) } }
    for option in kind.keys where option.isRequired && !nodes.contains(where: { $0.key == option.name }) {
      complain(table.line, "\(title) lacks '\(option.name)': \(option.explanation)")
    }
    guard faults.count == faultCount else { return }
    finish(kind, table, title, settings(kind, own))
  }

  /// A tunnel's own settings, and those of all tunnels that it does not have itself, in the order of the options.
  private func settings(_ kind: TunnelKind, _ own: [Setting]) -> [Setting] {
    kind.keys.compactMap { option in
      own.first { $0.key == option.name } ?? common.first { $0.key == option.name }
    }
  }

  private mutating func finish(_ kind: TunnelKind, _ table: TOMLNode, _ title: String, _ settings: [Setting])
  {
    let arguments = ["--name=\(table.key)"] + settings.flatMap(\.arguments)
    do throws(TunnelKind.Complaint) {
      let command = try kind.parse(arguments)
      let plan = TunnelPlan(
        name: table.key, configuration: command.configuration, logLevel: command.options.logging.logLevel,
        arguments: [kind.rawValue] + arguments)
      func line(of key: String) -> Int { settings.first { $0.key == key }?.line ?? table.line }
      for clash in claims.add(plan.configuration, title) { complain(line(of: clash.key), clash.text) }
      tunnels.append(plan)
    } catch {
      let line = settings.filter { error.keys.contains($0.key) }.map(\.line).max()
      complain(line ?? table.line, "\(error.text) (\(title))")
    }
  }

  // MARK: - A key

  /// Complains about it, and is nil, when it cannot be.
  private mutating func setting(_ kind: TunnelKind, _ node: TOMLNode, _ title: String? = nil) -> Setting? {
    guard let option = kind.keys.first(where: { $0.name == node.key }) else {
      let other = TunnelKind.allCases.first { $0 != kind && $0.keys.contains { $0.name == node.key } }
      if let other {
        complain(
          node.line,
          "'\(node.key)' is a key of [\(other.rawValue).NAME] alone: \(title ?? "") has no use for it")
      } else if node.key == "name" {
        complain(node.line, "a tunnel's name stands in its table's: [\(kind.rawValue).NAME]")
      } else {
        complain(node.line, unknown(node.key, kind.keys.map(\.name)) + (title.map { " (\($0))" } ?? ""))
      }
      return nil
    }
    guard let arguments = arguments(option, node) else { return nil }
    guard arguments != ["--firewall=print"] else {
      complain(
        node.line,
        "'print' is for the command line: a tunnel of a file takes auto, tc, tracked, stateless or off"
          + (title.map { " (\($0))" } ?? ""))
      return nil
    }
    do throws(TunnelKind.Complaint) {
      try kind.check(option, arguments)
    } catch {
      complain(node.line, error.text)
      return nil
    }
    return Setting(key: option.name, line: node.line, arguments: arguments)
  }

  private func unknown(_ key: String, _ keys: [String]) -> String {
    "unknown key '\(key)'" + suggestion(key, keys)
  }

  private func suggestion(_ word: String, _ words: [String]) -> String {
    Suggestion.nearest(to: word, among: words).map { ": did you mean '\($0)'?" } ?? ""
  }

  /// The value as a command line has it.
  private mutating func arguments(_ option: OptionDescription, _ node: TOMLNode) -> [String]? {
    if option.isFlag {
      guard case .boolean(let isOn) = node.value else {
        complain(node.line, "'\(option.name)' is either true or false")
        return nil
      }
      return isOn ? ["--\(option.name)"] : []
    }
    guard let values = Self.values(node.value) else {
      let several = option.isRepeating ? ", or several in brackets" : ""
      complain(
        node.line, "'\(option.name)' is \(option.valueName): write a text in quotes or a number\(several)")
      return nil
    }
    guard values.count == 1 || option.isRepeating || option.takesList else {
      complain(node.line, "'\(option.name)' is one \(option.valueName), and here are \(values.count)")
      return nil
    }
    return (option.isRepeating ? values : [values.joined(separator: ",")]).map { "--\(option.name)=\($0)" }
  }

  /// Texts and numbers as they are, and each of those in an array; nil for anything else.
  private static func values(_ value: TOMLNode.Value) -> [String]? {
    switch value {
    case .string(let text), .integer(let text): return [text]
    case .array(let elements):
      let values = elements.compactMap { element -> String? in
        switch element.value {
        case .string(let text), .integer(let text): text
        default: nil
        }
      }
      return values.isEmpty || values.count != elements.count ? nil : values
    case .table, .boolean, .other: return nil
    }
  }
}
