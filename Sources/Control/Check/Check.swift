/// One thing that a gateway needs of its host, looked at without changing anything.
protocol Check: Sendable {
  /// One word or two, which the findings stand under.
  var name: String { get }

  /// In the order of importance; none where there is nothing to look at.
  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding]
}
