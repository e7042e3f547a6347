import DataPlane
import Glibc
import Testing

@testable import Control

/// What decides how a tunnel is replaced, and when it is started again.
@Suite struct TunnelTests {
  private let base = GatewayConfiguration(listen: .tcp(nil, port: 1), remote: HostPort(.name("a"), port: 1))

  @Test func settingsThatFlowsDoNotDependOnKeepThem() {
    var other = base
    other.moderationMicroseconds = 0
    other.workers = 3
    other.remote = HostPort(.name("b"), port: 1)
    other.firewall = .stateless
    #expect(other.canSucceed(base))
  }

  @Test func anotherEndDeviceAddressUserOrFileBeginsAnew() {
    let changes: [(inout GatewayConfiguration) -> Void] = [
      { $0.listen = .tcp(nil, port: 2) }, { $0.device = "tun" }, { $0.tunIPv4.local = .init("10.0.0.1") },
      { $0.tunIPv6.peer = .init("fd00::1") }, { $0.ipv4Only = true }, { $0.user = "root" },
      { $0.flowFile = .path("/x") }, { $0.flowFile = .off },
    ]
    for change in changes {
      var other = base
      change(&other)
      #expect(!other.canSucceed(base))
    }
    var off = base
    off.flowFile = .off
    #expect(!off.canSucceed(off))
  }

  @Test func whatOneProgramTellsTheNextOfATunnelReadsAsTheSame() {
    let tunnel = RunningTunnel(name: "a.b-c_1", processID: 4_711)
    #expect(RunningTunnel("\(tunnel)") == tunnel)
  }

  @Test(arguments: ["", "a", "a:", ":1", "a:0", "a:-1", "a:1:2", "a b:1", "a:1x", "a:99999999999"])
  func whatIsNoRunningTunnelIsRefused(_ text: String) {
    #expect(RunningTunnel(text) == nil)
  }

  @Test func whoDiesAgainAndAgainIsStartedLessAndLessOften() {
    var delay = RestartDelay()
    let waits = (0..<12).map { _ in delay.after(running: .seconds(1)) }
    #expect(Array(waits.prefix(3)) == [.milliseconds(100), .milliseconds(200), .milliseconds(400)])
    #expect(waits.last == RestartDelay.longest)
    #expect(delay.after(running: RestartDelay.recovery) == RestartDelay.first)
  }

  @Test func aNotificationIsKnownByItsSender() throws {
    let socket = try NotificationSocket()
    let nobody = socket.takeReady()
    let notifier = ServiceNotifier(path: socket.path)
    notifier.stopping()
    notifier.ready("works")
    let ready = socket.takeReady()
    // Where that was lost, as when somebody fills the queue, it is not too late.
    notifier.alive()
    let alive = socket.takeReady()
    #expect(nobody.isEmpty)
    #expect(ready == [getpid()] && alive == [getpid()])
    #expect(socket.takeReady().isEmpty)
  }

  @Test(arguments: [
    ("moderaton", "moderation"), ("enigne", "engine"), ("mtuu", "mtu"), ("xyzzy", nil),
    ("idle_timeout", "idle-timeout"),
  ]) func theNearestWordIsSuggested(_ text: String, _ word: String?) {
    #expect(Suggestion.nearest(to: text, among: ["moderation", "engine", "mtu", "idle-timeout"]) == word)
  }
}
