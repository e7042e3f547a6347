/// Whether `/dev/net/tun` can be opened.
struct TunCheck: Check {
  let name = "TUN"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    let errno = host.openTun()
    return errno == 0 ? [.fine("/dev/net/tun can be opened")] : [.fail(.noTunDevice(errno: errno))]
  }
}
