import Testing

@testable import Telemetry

/// Rates come from two looks, and what ends and comes back is told apart.
@Suite struct ProcessWatchTests {
  private var watch = ProcessWatch(name: "guise0")

  @Test mutating func `rates of drops and flows are differences between looks`() {
    watch.note(
      Reports.look(
        at: 10, [Reports.report(drops: ["bad-flags": 5, "fragment": 2])],
        flows: [Reports.flow(port: 1, sent: .max - 9), Reports.flow(port: 2)]))
    #expect(watch.tunnels[0].dropRates.isEmpty && watch.flows.allSatisfy { $0.sentPerSecond == nil })
    watch.note(
      Reports.look(
        at: 12, [Reports.report(drops: ["bad-flags": 11, "fragment": 2])],
        flows: [Reports.flow(port: 1, sent: 90, received: 50), Reports.flow(port: 3)]))
    #expect(watch.tunnels[0].dropRates == ["bad-flags": 3])
    // Sequence numbers wrap.
    #expect(watch.flows[0].sentPerSecond == 50 && watch.flows[0].receivedPerSecond == 25)
    #expect(watch.flows[1].sentPerSecond == nil, "it was not there before")
  }

  @Test mutating func `a flow with the ports of one that has gone has no rate yet`() {
    watch.note(Reports.look(at: 10, flows: [Reports.flow(port: 1, sent: 4_000_000)]))
    watch.note(Reports.look(at: 12, flows: [Reports.flow(port: 1, age: 1, sent: 10)]))
    #expect(watch.flows[0].sentPerSecond == nil)
  }

  @Test mutating func `a process that has started again is not compared with the one before`() {
    watch.note(Reports.look(at: 10, [Reports.report(drops: ["fragment": 100])]))
    watch.note(.dead, at: 11)
    watch.note(.dead, at: 12)
    #expect(watch.state == .ended(at: 11), "it ended when that was first seen")
    #expect(watch.flows.isEmpty)
    let again = Reports.report(Reports.tunnel(startedAt: 1_011), drops: ["fragment": 200])
    watch.note(Reports.look(at: 13, [again]))
    #expect(watch.state == .running && watch.tunnels[0].dropRates.isEmpty)
    watch.note(
      Reports.look(at: 14, [Reports.report(Reports.tunnel(startedAt: 1_011), drops: ["fragment": 201])]))
    #expect(watch.tunnels[0].dropRates == ["fragment": 1])
  }

  @Test mutating func `what cannot be asked has not ended`() {
    watch.note(Reports.look(at: 10))
    watch.note(.refused(errno: 11), at: 12)
    guard case .unreachable(let reason) = watch.state else { return #expect(Bool(false), "\(watch.state)") }
    #expect(reason.contains("does not answer"))
  }
}
