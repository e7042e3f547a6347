internal import DataPlane
internal import Telemetry

extension FlowStore.Predecessor {
  /// Where it serves metrics, as it says itself; nil where it does not run, or cannot be asked.
  func metrics(_ state: StateDirectory?) -> MetricsAddress? {
    guard isRunning, let state else { return nil }
    let status = try? ControlClient(state.controlSocket(of: header.device)).status()
    return status?.tunnels.first?.tunnel.metrics.flatMap { try? MetricsAddress($0) }
  }
}
