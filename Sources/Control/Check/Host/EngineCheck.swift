internal import DataPlane

/// Whether this process may use io_uring, by trying.
struct EngineCheck: Check {
  let name = "io_uring"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    do throws(KernelError) {
      try host.tryUring()
    } catch {
      guard let refusal = UringRefusal(error, sysctl: host.sysctl) else {
        return [.fail("it fails (\(error))", mend: "guise … --engine epoll")]
      }
      return [.warn("out of use, since \(refusal.reason): epoll carries the packets", mend: refusal.remedy)]
    }
    switch host.sysctl.read("kernel/io_uring_disabled") {
    // 1: only those with CAP_SYS_ADMIN, or of one group (Documentation/admin-guide/sysctl/kernel.rst).
    case "1":
      return [
        .warn(
          "kernel.io_uring_disabled is 1: this user may use it, others may not",
          mend: "sysctl -w kernel.io_uring_disabled=0")
      ]
    default: return [.fine("may be used")]
    }
  }
}
