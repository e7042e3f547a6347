internal import CLiburing
internal import Glibc

/// Opens the UDP sockets of a server's flows, from its own addresses in turn.
///
/// Each address has a port space of its own, so that flows are not bound by the ports of one
/// (`net.ipv4.ip_local_port_range`). Belongs to one worker; the addresses outlive it.
struct FlowSockets: ~Copyable {
  private let service: Endpoint
  private let offload: Bool
  private let sources: [Address]
  private var next: Int
  /// What was refused last for want of ports, and until when that holds.
  private var refusal: KernelError?
  private var refusalEnd: UInt64 = 0

  /// No `sources` leave the choice to the route. `first` is where the turn begins: other workers begin
  /// elsewhere.
  init(service: Endpoint, sources: [Address], first: Int, offload: Bool) {
    self.service = service
    self.offload = offload
    self.sources = sources
    next = sources.isEmpty ? 0 : first % sources.count
  }

  /// The socket of a flow, and where it is bound.
  ///
  /// `local` is where the flow's last process had it; otherwise it is of the next address, or of the first after
  /// it that has a port left. Throws EADDRINUSE while somebody else has `local`, EAGAIN when no address has a
  /// port left, and what socket(2), bind(2) or connect(2) refuse for another reason.
  ///
  /// To find that no port is left, the kernel looks through all of them, and those who are refused go on sending: what it
  /// said holds for `Limits.refusalTimes` as long as it took, or until a socket is closed.
  mutating func open(at local: Endpoint?) throws(KernelError) -> (descriptor: Int32, local: Endpoint) {
    if let local {
      let descriptor = try UDPSocket.connected(
        to: service, from: local.address, port: local.port, offload: offload)
      return (descriptor, local)
    }
    let start = guise_now()
    if let refusal, start < refusalEnd { throw refusal }
    let descriptor: Int32
    do throws(KernelError) {
      descriptor = try openNext()
    } catch {
      if error.isPortSpaceFull {
        let now = guise_now()
        (refusal, refusalEnd) = (error, now &+ Limits.refusalTimes &* (now &- start))
      }
      throw error
    }
    do throws(KernelError) {
      let local = try UDPSocket.localEndpoint(of: descriptor)
      try UDPSocket.letOthersShare(descriptor)
      return (descriptor, local)
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// A socket is closed: its port is free again.
  mutating func noteClosed() { refusalEnd = 0 }

  private mutating func openNext() throws(KernelError) -> Int32 {
    var refusal: KernelError?
    for _ in sources {
      let source = sources[next]
      next = next + 1 == sources.count ? 0 : next + 1
      do throws(KernelError) {
        return try UDPSocket.connected(to: service, from: source, offload: offload)
      } catch {
        guard error.isPortSpaceFull else { throw error }
        refusal = error
      }
    }
    if let refusal { throw refusal }
    return try UDPSocket.connected(to: service, from: nil, offload: offload)
  }
}
