package import Logging

/// A tunnel of a configuration file: what it shall be, and the command line that makes it so.
package struct TunnelPlan: Equatable, Sendable {
  package let name: String
  package let configuration: GatewayConfiguration
  package let logLevel: Logger.Level
  /// Of `guise`, without the program's name.
  package let arguments: [String]

  package init(
    name: String, configuration: GatewayConfiguration, logLevel: Logger.Level, arguments: [String]
  ) {
    self.name = name
    self.configuration = configuration
    self.logLevel = logLevel
    self.arguments = arguments
  }

  /// Whether the two mean the same, however they are written.
  package static func == (first: TunnelPlan, second: TunnelPlan) -> Bool {
    first.name == second.name && first.configuration == second.configuration
      && first.logLevel == second.logLevel
  }
}
