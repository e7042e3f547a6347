import LoadModel
import Testing

@Suite("A receiver's book")
struct FlowLedgerTests {
  private let content = DatagramContent()

  private func datagram(run: UInt32 = 1, flow: UInt16 = 0, _ sequence: UInt64, size: Int = 100) -> [UInt8] {
    content.bytes(
      DatagramHead(run: run, flow: flow, length: UInt16(size), sequence: sequence, departure: 0))
  }

  @Test("Flows are kept apart, and their sums agree with the totals")
  func manyFlows() {
    var ledger = FlowLedger(verification: .full, flowCapacity: 1)
    for sequence in 0..<5 as Range<UInt64> {
      for flow in 0..<700 as Range<UInt16> {
        for run in [7, 1_000_000_007] as [UInt32] where !(flow == 3 && sequence == 2) {
          ledger.record(datagram(run: run, flow: flow, sequence, size: 40), arrival: 1 + sequence)
        }
      }
    }
    #expect(ledger.flowCount == 1_400)
    let report = ArrivalReport(ledger, perFlow: true)
    #expect(report.received == 6_998)
    #expect(report.lost == 2)
    #expect(report.perFlow?.count == 1_400)
    #expect(report.perFlow?.reduce(0) { $0 + $1.received } == 6_998)
    #expect(report.perFlow?.filter { $0.lost == 1 }.map(\.flow) == [3, 3])
    #expect(report.perFlow?.allSatisfy { $0.highestSequence == 4 } == true)
    #expect(report.perFlow?.first?.run == 7)
  }

  @Test("A flow's longest silence lies between its arrivals, or at the end")
  func silence() {
    var ledger = FlowLedger(verification: .full)
    for (flow, second) in [(0, 1), (1, 1), (0, 2), (1, 2), (0, 5), (1, 3), (0, 6), (0, 7)]
      as [(UInt16, UInt64)]
    {
      ledger.record(datagram(flow: flow, second), arrival: second * 1_000_000_000)
    }
    let report = ArrivalReport(ledger, perFlow: true)
    #expect(report.perFlow?.map(\.longestSilenceSeconds) == [3, 1])
    #expect(report.perFlow?.map(\.silentSinceSeconds) == [0, 4])
    #expect(report.longestSilenceSeconds == 4)
  }

  @Test("Goodput is the payload between the first and the last arrival")
  func goodput() {
    var ledger = FlowLedger(verification: .full)
    let begin: UInt64 = 5_000_000_000
    for sequence in 0...10 as ClosedRange<UInt64> {
      ledger.record(datagram(sequence, size: 1_000), arrival: begin + sequence * 100_000_000)
    }
    let report = ArrivalReport(ledger)
    #expect(report.durationSeconds == 1)
    #expect(report.bitsPerSecond == 88_000)
    #expect(report.datagramsPerSecond == 11)
  }

  @Test("Corrupt datagrams are counted and open no flow")
  func corrupt() {
    var ledger = FlowLedger(verification: .full)
    var damaged = datagram(0)
    damaged[50] ^= 1
    #expect(ledger.record(damaged, arrival: 1) == .corrupt)
    #expect(ledger.corrupt == 1)
    #expect(ledger.received == 0)
    #expect(ledger.flowCount == 0)
  }

  @Test(
    "Datagrams that only open a flow are verified and not counted",
    arguments: [.full, .head] as [Verification])
  func opening(_ verification: Verification) {
    var ledger = FlowLedger(verification: verification)
    let written = datagram(DatagramHead.openingSequence, size: 46)
    #expect(ledger.record(written, arrival: 1) == .opening)
    #expect(ledger.received == 0)
    #expect(ledger.flowCount == 0)
    #expect(ledger.firstArrival == 0)
    ledger.record(datagram(0), arrival: 2)
    #expect(ArrivalReport(ledger).lost == 0)
  }

  @Test("What the sender says it sent reveals the loss at the tail")
  func expectation() {
    var ledger = FlowLedger(verification: .full)
    for sequence in [0, 1, 1, 3] as [UInt64] { ledger.record(datagram(sequence), arrival: 1) }
    ledger.record(datagram(run: 2, 9), arrival: 2)
    let sent = SendReport(run: 1, flows: 1, sent: 10, bytes: 1_000, durationSeconds: 1)
    let report = ArrivalReport(ledger, expectation: sent)
    #expect(report.sent == 10)
    #expect(report.lost == 7)
    #expect(report.lossPercent == 70)
    #expect(report.duplicated == 1)
    #expect(ArrivalReport(ledger).lost == 1 + 9)
  }

  @Test("Datagrams too short for a head count towards what was sent")
  func anonymous() {
    var ledger = FlowLedger(verification: .full)
    for sequence in 0..<8 as Range<UInt64> {
      ledger.record(datagram(sequence, size: 10), arrival: 1)
    }
    let sent = SendReport(run: 1, flows: 1, sent: 9, bytes: 90, durationSeconds: 1)
    let report = ArrivalReport(ledger, expectation: sent)
    #expect(report.anonymous == 8)
    #expect(report.received == 8)
    #expect(report.lost == 1)
  }

  @Test("An empty book is a report of zeroes")
  func empty() {
    let report = ArrivalReport(FlowLedger(verification: .head))
    #expect(report.received == 0)
    #expect(report.lossPercent == 0)
    #expect(report.bitsPerSecond == 0)
    #expect(report.perFlow == nil)
  }
}
