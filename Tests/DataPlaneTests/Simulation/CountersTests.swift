import Testing

@testable import DataPlane

/// Everything that came in went out or was dropped under a name.
func expectBalance(_ gateway: SimulatedGateway, _ comment: Comment? = nil) {
  let s = gateway.statistics
  #expect(s[.datagramsIn] == s[.segmentsOut] + s.uplinkDrops, comment)
  #expect(s[.segmentsIn] == s[.datagramsOut] + s[.controlSegmentsIn] + s.downlinkDrops, comment)
}
