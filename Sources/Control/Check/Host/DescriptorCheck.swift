internal import DataPlane
internal import Glibc

/// How many flows the limit of descriptors leaves room for: each of a server's has a UDP socket.
struct DescriptorCheck: Check {
  let name = "descriptors"

  private static let usual = 65_536

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard plan.mayServe else { return [] }
    let hard = Int(clamping: host.openFileLimits.rlim_max)
    let flows = DescriptorLimit.flowCountMax(wished: .max, descriptors: hard, workers: 1, engine: .epoll)
    guard flows < Self.usual / 2 else {
      return [.fine("room for \(min(flows, Self.usual)) flows of a server, or more")]
    }
    return [
      .warn(
        "\(hard) at most, so \(flows) flows of a server with one worker",
        mend: "'LimitNOFILE=131072' in systemd, 'docker run --ulimit nofile=131072', or 'ulimit -Hn 131072'")
    ]
  }
}
