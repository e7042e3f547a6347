import Foundation
import Glibc

@testable import DataPlane

/// A file for flows, empty at first, that is gone with the object.
final class FlowFileFixture {
  let descriptor: Int32
  private let path = FileManager.default.temporaryDirectory.appending(path: "gd-flows-\(UUID())").path()

  init() { descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
  deinit {
    close(descriptor)
    unsafe unlink(path)
  }

  /// Fills it for a gateway with this plan.
  func file(_ plan: GatewayPlan) throws -> FlowFile {
    try FlowFile(
      descriptor: dup(descriptor),
      FlowFileHeader(
        namespace: "", processID: 1, role: plan.role, device: "guise0", mtu: plan.mtu,
        listen: Endpoint(.unspecified, port: 1), remote: plan.remote,
        idleTimeoutSeconds: plan.idleTimeoutSeconds, cookieKey: plan.cookieKey),
      workerCount: plan.workerCount, flowsPerWorker: plan.flowsPerWorker)
  }

  /// What the next process would find there.
  func records() throws -> [FlowRecord] { try FlowFileContents(descriptor: descriptor).flows }
}
