import Testing

@testable import DataPlane

/// Everything that came in went out or was dropped under a name.
func expectBalance(_ statistics: StatisticsSnapshot, _ role: Role, _ comment: Comment? = nil) {
  #expect(statistics.accountsForDatagrams(of: role), comment)
  #expect(statistics.accountsForSegments(of: role), comment)
}

func expectBalance(_ gateway: SimulatedGateway, _ comment: Comment? = nil) {
  expectBalance(gateway.statistics, gateway.worker.plan.role, comment)
}

func expectBalance(_ team: SimulatedTeam, _ comment: Comment? = nil) {
  expectBalance(team.statistics, team.workers[0].worker.plan.role, comment)
}
