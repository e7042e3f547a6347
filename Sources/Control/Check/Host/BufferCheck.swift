internal import DataPlane

/// How much may wait in a UDP socket. With CAP_NET_ADMIN guise gets what it asks for; else `net.core.rmem_max`
/// bounds it (socket(7)).
struct BufferCheck: Check {
  let name = "buffers"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    let wanted = UDPSocket.sharedReceiveBytes
    guard let granted = host.receiveBuffer() else { return [] }
    // The kernel doubles what was asked for, to have room for its own.
    guard granted < 2 * wanted else { return [.fine("sockets get \(wanted >> 20) MiB")] }
    return [
      .warn(
        "a UDP socket gets \((granted / 2) >> 10) KiB in place of \(wanted >> 10): bursts will be lost",
        mend: "sysctl -w net.core.rmem_max=\(wanted) net.core.wmem_max=\(wanted), or give guise CAP_NET_ADMIN"
      )
    ]
  }
}
