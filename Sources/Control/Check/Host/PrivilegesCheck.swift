/// What this user may do.
struct PrivilegesCheck: Check {
  let name = "privileges"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    do throws(SetupError) {
      try host.privileges.check()
    } catch {
      return [.fail(error)]
    }
    guard host.privileges.isRoot, !host.privileges.canChangeUser else { return [.fine("CAP_NET_ADMIN")] }
    return [
      .warn(
        "root without CAP_SETUID and CAP_SETGID: guise stays root, with few capabilities",
        mend: "docker run --cap-add SETUID --cap-add SETGID …, or 'CapabilityBoundingSet=' in systemd")
    ]
  }
}
