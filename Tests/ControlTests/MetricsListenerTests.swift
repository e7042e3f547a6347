import DataPlane
import Glibc
import Testing

@testable import Control

@Suite struct MetricsListenerTests {
  /// An address that a listener of the test's own has.
  private func taken() throws -> (listener: MetricsListener, address: MetricsAddress) {
    for port in UInt16(20_000)..<21_000 {
      let address = try MetricsAddress("127.0.0.1:\(port)")
      do { return (try MetricsListener(address, after: nil), address) } catch .metricsRefused { continue }
    }
    throw SetupError.noTunnelStarted
  }

  @Test func aPortThatSomebodyHasIsRefused() throws {
    let (listener, address) = try taken()
    for other in [nil, try MetricsAddress("127.0.0.1:1")] {
      do {
        _ = try MetricsListener(address, after: other)
        Issue.record("two have \(address)")
      } catch {
        #expect(error == .metricsRefused(address.endpoint, errno: EADDRINUSE))
      }
    }
    _ = listener.isLoopback
  }

  @Test func aPortThatThePredecessorHasIsWaitedFor() throws {
    var (old, address) = try taken()
    var next = try MetricsListener(address, after: address)
    #expect(next.isAwaited)
    close(old.take())
    try next.bind()
    #expect(!next.isAwaited)
  }
}
