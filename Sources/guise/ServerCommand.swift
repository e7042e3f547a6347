internal import ArgumentParser
internal import Control
internal import DataPlane

/// `guise server`.
struct ServerCommand: GatewayCommand {
  static let configuration = CommandConfiguration(
    commandName: "server",
    abstract: "Takes TCP flows and hands their datagrams to a UDP service.",
    discussion: """
      Every flow sends to the service from a UDP port of its own. The TCP port is taken on all addresses of \
      this host, or on the one that is given; a program that listens on it gets nothing while guise runs.

        guise server --local 4567 --remote 127.0.0.1:51820
      """)

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The TCP port that clients connect to; with an address of this host, on that alone.",
      valueName: "[address:]port"),
    transform: ListenPort.init)
  var local: ListenPort

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The UDP service: its name or address, and its port.", valueName: "host:port"),
    transform: HostPort.init)
  var remote: HostPort

  @Option(
    help: ArgumentHelp(
      "Addresses of this host that flows speak to the service from in turn; each has UDP ports of its own.",
      valueName: "address,…"),
    transform: { try Self.addresses($0) })
  var source: [Address] = []

  @Option(
    help: ArgumentHelp(
      "The most flows of one source address (IPv6: of one /64); without it, three quarters of all.",
      valueName: "count"))
  var maxFlowsPerSource: Int?

  @Option(
    help: ArgumentHelp("The most new flows in a second, over all workers.", valueName: "count"))
  var maxNewFlows = GatewayConfiguration.newFlowsDefault

  @OptionGroup var options: GatewayOptions

  mutating func validate() throws {
    try options.check(
      maxFlowsPerSource, in: GatewayConfiguration.flowCountRange, "--max-flows-per-source")
    try options.check(maxNewFlows, in: GatewayConfiguration.newFlowsRange, "--max-new-flows")
  }

  var configuration: GatewayConfiguration {
    var configuration = GatewayConfiguration(
      listen: .tcp(local.address, port: local.port), remote: remote)
    configuration.sources = source
    configuration.flowsPerSource = maxFlowsPerSource
    configuration.newFlowsPerSecond = maxNewFlows
    options.fill(&configuration)
    return configuration
  }

  private static func addresses(_ text: String) throws -> [Address] {
    var addresses: [Address] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let address = Address(String(part)), !address.isUnspecified else {
        throw ValidationError("'\(part)' is not an address of a host: write as in 192.0.2.1,192.0.2.2")
      }
      guard !addresses.contains(address) else { throw ValidationError("\(address) is named twice") }
      addresses.append(address)
    }
    return addresses
  }
}
