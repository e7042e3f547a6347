import Glibc
import Logging
import Testing

@testable import Control
@testable import DataPlane

@Suite struct FlowEventLogTests {
  private let start = ContinuousClock.now
  private let opened = FlowEvent(
    kind: .opened, worker: 1, remote: Endpoint(Address("203.0.113.9")!, port: 4567), localPort: 40_000,
    peer: Endpoint(Address("::1")!, port: 51_820))

  private final class Lines {
    var texts: [String] = []
    var levels: [Logger.Level] = []
  }

  private func makeLog(_ lines: Lines) -> FlowEventLog {
    FlowEventLog(.client, now: start) {
      lines.levels.append($0)
      lines.texts.append($1)
    }
  }

  @Test func everyKindIsALineOfItsOwn() {
    #expect(
      FlowEventLog.text(opened, .client)
        == "flow opened: UDP [::1]:51820 -> port 40000 -> TCP 203.0.113.9:4567 (worker 1)")
    #expect(
      FlowEventLog.text(opened, .server)
        == "flow opened: TCP 203.0.113.9:4567 -> port 40000 -> UDP [::1]:51820 (worker 1)")
    var large = opened
    large.kind = .datagramTooLarge
    large.detail = 1480
    large.limit = 1460
    #expect(
      FlowEventLog.text(large, .client).hasPrefix("a datagram of 1480 bytes was dropped, where at most 1460"))
    #expect(FlowEventLog.text(large, .client).hasSuffix("(for WireGuard to 1428)"))
    var narrow = opened
    narrow.kind = .pathLimitLowered
    narrow.detail = 1400
    narrow.limit = 1360
    let told = FlowEventLog.text(narrow, .client)
    #expect(told.hasPrefix("the path to 203.0.113.9 takes packets of 1400 bytes: the largest datagram that"))
    #expect(told.contains(" is now 1360 (UDP "))
    #expect(told.hasSuffix("for WireGuard, set an MTU of 1328"))
  }

  @Test func whatBecomesOfADeadPathIsTold() {
    var event = opened
    event.kind = .suspended
    event.detail = 4_003
    #expect(
      FlowEventLog.text(event, .client).hasPrefix(
        "flow silent for 4003 ms, trying another port: UDP [::1]:51820 -> "))
    event.kind = .resumed
    #expect(
      FlowEventLog.text(event, .client).hasPrefix("flow answered again: UDP [::1]:51820 -> port 40000 -> "))
    event.kind = .reopened
    event.detail = 39_999
    #expect(
      FlowEventLog.text(event, .client).hasPrefix(
        "flow reopened, before from port 39999: UDP [::1]:51820 -> port 40000"))
    event.kind = .serverChanged
    (event.detail, event.limit) = (2, 3)
    #expect(
      FlowEventLog.text(event, .client)
        == "flows go to 203.0.113.9:4567 from now on, number 2 of 3 servers (worker 1)")
  }

  @Test func aChangeOfServerIsToldEvenInAFloodOfEvents() {
    let lines = Lines()
    var log = makeLog(lines)
    for _ in 0..<1000 { log.record(opened, now: start) }
    var change = opened
    change.kind = .serverChanged
    log.record(change, now: start)
    #expect(lines.texts.count == FlowEventLog.linesPerSecond + 1 && lines.levels.last == .notice)
  }

  @Test func aFloodBecomesAFewLinesAndACount() {
    let lines = Lines()
    var log = makeLog(lines)
    for _ in 0..<1000 { log.record(opened, now: start) }
    log.summarize(now: start + .milliseconds(100))
    #expect(lines.texts.count == FlowEventLog.linesPerSecond)

    log.summarize(now: start + .milliseconds(1001))
    #expect(lines.texts.last == "… and 980 more flow events")
    log.summarize(now: start + .seconds(5))
    #expect(lines.texts.count == FlowEventLog.linesPerSecond + 1)
  }

  @Test func fullnessIsToldNowAndThenWithWhatHelps() {
    let lines = Lines()
    var log = makeLog(lines)
    var full = opened
    full.kind = .portSpaceFull
    full.limit = 64_512
    for second in 0..<25 { log.record(full, now: start + .seconds(second)) }
    #expect(lines.texts.count == 3 && lines.levels.allSatisfy { $0 == .warning })
    for word in ["64512", "[::1]:51820", "port-space-full", "--idle-timeout"] {
      #expect(lines.texts[0].contains(word))
    }
    full.kind = .flowTableFull
    for word in ["64512", "flow-table-full", "LimitNOFILE"] {
      #expect(FlowEventLog.text(full, .server).contains(word))
    }
    full.kind = .socketUnavailable
    for (errno, word) in [(EAGAIN, "--source"), (EMFILE, "LimitNOFILE"), (EPERM, "not permitted")] {
      full.detail = Int(errno)
      #expect(FlowEventLog.text(full, .server).contains(word))
    }
  }

  @Test func whatNeedsAttentionIsAWarning() {
    let lines = Lines()
    var log = makeLog(lines)
    for kind in [
      FlowEvent.Kind.opened, .closedIdle, .closedByPeer, .pathLimitLowered, .closedUnanswered, .closedRefused,
      .datagramTooLarge,
    ] {
      var event = opened
      event.kind = kind
      log.record(event, now: start)
    }
    #expect(lines.levels == [.info, .info, .info, .notice, .warning, .warning, .warning])
  }
}

@Suite struct StatisticsTableTests {
  private func snapshot(_ fill: (Statistics) -> Void) -> StatisticsSnapshot {
    let cells = Statistics()
    defer { cells.deallocate() }
    fill(cells)
    return cells.snapshot()
  }

  private func line(_ title: String, _ table: StatisticsTable) -> String? {
    table.description.split(separator: "\n").map(String.init).first { $0.dropFirst(2).hasPrefix(title) }
  }

  @Test func oneWorkerHasOneColumn() {
    let table = StatisticsTable([
      snapshot {
        $0.add(.datagramsIn, 12)
        $0.add(.flowsOpened, 3)
        $0.add(.flowsClosed, 1)
        $0.drop(.badChecksum, 4)
      }
    ])
    let text = table.description
    #expect(text.split(separator: "\n")[0].hasSuffix("         all"))
    #expect(!text.contains("worker"))
    #expect(line("datagrams in", table) == "  datagrams in                       12")
    #expect(line("flows open ", table) == "  flows open                          2")
    #expect(line("  bad-checksum", table) == "!   bad-checksum                      4")
    #expect(line("  fragment", table) == "    fragment                          0")
  }

  @Test func severalWorkersAddUp() {
    let table = StatisticsTable([
      snapshot { $0.add(.segmentsOut, 5) }, snapshot { $0.add(.segmentsOut, 7_000_000_000_000) },
    ])
    #expect(
      table.description.split(separator: "\n")[0].split(separator: " ").joined(separator: " ")
        == "all worker 0 worker 1")
    #expect(
      line("segments out", table)?.split(separator: " ").suffix(3)
        == ["7000000000005", "5", "7000000000000"])
  }

  @Test func everyCounterAndEveryDropReasonIsThere() {
    let table = StatisticsTable([StatisticsSnapshot()])
    for counter in Counter.allCases { #expect(line(counter.name, table) != nil) }
    for reason in DropReason.allCases { #expect(line("  " + reason.name, table) != nil) }
    #expect(!table.description.contains("!"))
  }
}

@Suite struct StandardErrorLogTests {
  @Test func aRecordIsOneLineWithTimeLevelAndText() {
    let time = timespec(tv_sec: 1_700_000_000, tv_nsec: 7_999_999)
    #expect(
      StandardErrorLog.line(time, .info, "two\nlines", ["b": "2", "a": "1"])
        == "2023-11-14T22:13:20.007Z info     two | lines a=1 b=2\n")
    #expect(
      StandardErrorLog.line(time, .critical, "text", [:]) == "2023-11-14T22:13:20.007Z critical text\n")
    #expect(StandardErrorLog.line(nil, .warning, "text", [:]) == "<4>warning  text\n")
  }
}
