internal import ArgumentParser
internal import Control

/// A command that runs one gateway: `guise client` or `guise server`.
///
/// Its options are the one description of what a gateway can be told. Configuration files and environment
/// variables have theirs from it (`OptionDescription`) and are read by it.
protocol GatewayCommand: ParsableCommand {
  var options: GatewayOptions { get }
  var configuration: GatewayConfiguration { get }
}

extension GatewayCommand {
  mutating func run() throws {
    guard options.firewall != .print else {
      return print(try FirewallPrint.text(configuration), terminator: "")
    }
    try Supervisor(configuration, log: options.logging.logger(tunnel: options.name)).run()
  }
}
