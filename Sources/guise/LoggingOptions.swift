internal import ArgumentParser
internal import Control
internal import Logging

/// How much is said on standard error.
struct LoggingOptions: ParsableArguments {
  @Option(
    name: .long, help: ArgumentHelp("How much to log: \(levels). Without it, info.", valueName: "level"),
    transform: Self.level)
  var logLevel: Logger.Level = .info

  private static let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

  private static func level(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text.lowercased()) else {
      throw ValidationError("use one of \(levels)")
    }
    return level
  }

  /// `tunnel`: whose lines they are, where a host has several.
  func logger(tunnel: String? = nil) -> Logger {
    let level = logLevel
    var logger = Logger(label: "guise") { _ in StandardErrorLog(level: level) }
    if let tunnel { logger[metadataKey: "tunnel"] = "\(tunnel)" }
    return logger
  }
}
