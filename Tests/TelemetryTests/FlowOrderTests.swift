import Testing

@testable import DataPlane
@testable import Telemetry

@Suite struct FlowOrderTests {
  private func ports(_ order: FlowOrder, _ flows: [FlowReport]) -> [UInt16] {
    order.sort(flows).map(\.localPort)
  }

  @Test func `each order puts first what it says`() {
    var flows = [
      Reports.flow(port: 3, peer: 7, remote: "192.0.2.3", state: .opening, age: 5, silent: 4, handshake: 900),
      Reports.flow(
        port: 1, peer: 8, remote: "192.0.2.2", state: .suspended, age: 9, silent: 1, handshake: 100),
      Reports.flow(
        port: 2, peer: 6, remote: "192.0.2.9", state: .established, age: 7, silent: 9, handshake: 100,
        keepalive: 5_000),
    ]
    (flows[0].sentPerSecond, flows[0].receivedPerSecond) = (10, 10)
    (flows[1].sentPerSecond, flows[1].receivedPerSecond) = (0, 30)
    #expect(ports(.rate, flows) == [1, 3, 2])
    #expect(ports(.age, flows) == [1, 2, 3])
    #expect(ports(.silent, flows) == [2, 3, 1])
    #expect(ports(.rtt, flows) == [2, 3, 1], "a keepalive tells more of now than the handshake")
    #expect(ports(.state, flows) == [2, 3, 1])
    #expect(ports(.remote, flows) == [1, 3, 2])
    #expect(ports(.port, flows) == [1, 2, 3])
    #expect(ports(.peer, flows) == [2, 3, 1])
  }

  @Test func `what is alike stays where it is from picture to picture`() {
    let flows = (1...9).map { Reports.flow(port: $0) }
    for order in FlowOrder.allCases {
      #expect(order.sort(flows.shuffled()).map(\.identity) == order.sort(flows).map(\.identity))
    }
  }

  @Test func `one follows the other in a circle`() {
    var (seen, order) = ([FlowOrder](), FlowOrder.rate)
    repeat {
      seen.append(order)
      order = order.next
    } while order != .rate
    #expect(seen == FlowOrder.allCases)
  }
}
