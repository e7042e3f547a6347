@testable import DataPlane

/// A whole gateway against a stock peer, over a link that may lose packets.
///
/// Super-packets are cut on the way, and checksums reach the gateway unverified, as behind a real NIC without offload.
struct StockPath {
  let gateway: SimulatedGateway
  var stock: StockPeer
  private var random: SeededRandom
  private let loss: Double
  /// Whether nothing crosses at the moment.
  var isCut = false

  private static let port: UInt16 = 4_567

  init(_ role: Role, isIPv6: Bool = false, loss: Double = 0, seed: UInt64 = 1) throws {
    gateway = try SimulatedGateway(role, isIPv6: isIPv6, seed: seed)
    let client = isIPv6 ? SimulatedGateway.client6 : SimulatedGateway.clientAddress
    let server = isIPv6 ? SimulatedGateway.server6 : SimulatedGateway.serverAddress
    stock =
      role == .client
      ? StockPeer(.server(port: Self.port), at: server)
      : StockPeer(.client(server: Endpoint(server, port: Self.port), firstPort: 40_000), at: client)
    random = SeededRandom(seed: seed)
    self.loss = loss
  }

  var now: UInt64 { gateway.kernel.now }

  /// Lets time pass, both ends act, and what they sent cross; every datagram that stock delivers may be answered.
  mutating func step(
    _ nanoseconds: UInt64 = 10_000_000, answer: (StockPeer.Datagram) -> [UInt8]? = { _ in nil }
  )
    throws
  {
    gateway.kernel.now += nanoseconds
    stock.advance(to: now)
    try gateway.turn()
    for frame in gateway.takePackets() {
      for packet in try TunFrame(frame).packets where !isCut && !random.chance(loss) {
        stock.receive(packet, now: now)
      }
    }
    for datagram in stock.takeDatagrams() {
      if let answer = answer(datagram) { stock.send(answer, over: datagram.flow, now: now) }
    }
    for packet in stock.takePackets() where !isCut && !random.chance(loss) {
      gateway.kernel.inputs.append(.packet([UInt8](repeating: 0, count: VirtioNetHeader.length) + packet))
    }
    try gateway.turn()
  }
}
