import DataPlane
import Foundation
import Testing

@testable import Control

@Suite final class FlowLimitsTests {
  private let root = FileManager.default.temporaryDirectory.appending(path: "gc-limits-\(UUID())").path()

  init() throws {
    try FileManager.default.createDirectory(atPath: "\(root)/net/ipv4", withIntermediateDirectories: true)
    try "32768\t60999\n".write(
      toFile: "\(root)/net/ipv4/ip_local_port_range", atomically: false, encoding: .utf8)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  private func limits(
    descriptors: Int = 1 << 20, _ change: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws -> FlowLimits {
    var configuration = GatewayConfiguration(listen: .tcp(nil, port: 1), remote: try HostPort("127.0.0.1:2"))
    change(&configuration)
    return FlowLimits.server(
      configuration, descriptors: descriptors, workers: 1, engine: .uring, sysctl: Sysctl(root: root))
  }

  @Test func nobodyTakesAllThereIsRoomFor() throws {
    #expect(try limits() == FlowLimits(flows: 65_536, perSource: 21_174))
    #expect(try limits { $0.sources = [Address("127.0.0.1")!, Address("127.0.0.2")!] }.perSource == 42_348)
    // 64, four for the worker, and 128 for those who ask for metrics and at the control socket.
    #expect(try limits(descriptors: 1_196) == FlowLimits(flows: 1_000, perSource: 750))
    #expect(try limits { $0.flowCountMax = 1 } == FlowLimits(flows: 1, perSource: 1))
  }

  @Test func whatIsAskedForIsGranted() throws {
    #expect(try limits { $0.flowsPerSource = 60_000 }.perSource == 60_000)
    #expect(
      try limits { ($0.flowCountMax, $0.flowsPerSource) = (100, 5) } == FlowLimits(flows: 100, perSource: 5))
    #expect(try limits { $0.flowCountMax = 1_000_000 }.flows == 65_536)
  }
}
