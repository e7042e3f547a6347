/// What a killed gateway has left behind.
struct LeftoversCheck: Check {
  let name = "leftovers"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    host.instances(areAlive: false).map {
      .warn(
        "process \($0.processID) was killed, and its device \($0.device) and rules wait for its next start",
        mend: "start it again, or 'guise cleanup'")
    }
  }
}
