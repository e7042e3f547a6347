import DataPlane
import Glibc
import Testing

@testable import Control

@Suite struct MetricsListenerTests {
  /// An address that somebody serves at, and the socket.
  private func taken() throws -> (socket: Int32, address: MetricsAddress) {
    for port in 20_000..<21_000 {
      let address = try MetricsAddress("127.0.0.1:\(port)")
      do throws(SetupError) {
        var listener = try MetricsListener(address, after: nil)
        return (listener.take(), address)
      } catch .metricsRefused {
        continue
      }
    }
    throw KernelError("bind", errno: EADDRINUSE)
  }

  @Test(arguments: [nil, "127.0.0.1:1"])
  func aPortThatSomebodyElseHasIsRefused(predecessor: String?) throws {
    let (socket, address) = try taken()
    defer { close(socket) }
    let other = try predecessor.map { try MetricsAddress($0) }
    #expect(throws: SetupError.metricsRefused(address.endpoint, errno: EADDRINUSE)) {
      _ = try MetricsListener(address, after: other)
    }
  }

  @Test func whereOthersMayLeaveAPortIsWaitedForAndNotForEver() throws {
    let (socket, address) = try taken()
    var next = try MetricsListener(address, othersMayLeave: true, after: nil)
    let isAwaited = next.isAwaited
    #expect(isAwaited)
    do throws(SetupError) {
      try next.bindAwaited()
      Issue.record("somebody has the port")
    } catch {
      #expect(error == .metricsRefused(address.endpoint, errno: EADDRINUSE))
    }
    close(socket)
    try next.bindAwaited()
    let isBound = !next.isAwaited
    #expect(isBound)
  }

  @Test func aPortThatThePredecessorHasIsWaitedFor() throws {
    let (socket, address) = try taken()
    var next = try MetricsListener(address, after: address)
    let isAwaited = next.isAwaited
    close(socket)
    try next.bind()
    let isBound = !next.isAwaited
    #expect(isAwaited && isBound)
  }
}
