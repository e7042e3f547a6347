internal import DataPlane
internal import Glibc

/// Handshakes with the peer: does it answer, how fast, and how many are lost on the way?
///
/// Each is ended by a reset. The last one that is answered is completed before, as the peer's own firewall may look
/// at the third packet. No data is sent, so that its service notices nothing.
struct PeerCheck: Check {
  let name = "peer"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard let peer = try? plan.remote?.get() else { return [] }
    do throws(KernelError) {
      let probe = try HandshakeProbe(to: peer, mark: plan.mark)
      var outcomes: [HandshakeProbe.Outcome] = []
      for number in 1...plan.attempts {
        outcomes.append(try probe.attempt(isCompleted: number == plan.attempts))
      }
      return [Self.finding(outcomes, peer)]
    } catch {
      guard error.errno == EPERM || error.errno == EACCES else {
        return [.fail("cannot try it (\(error))", mend: "ip route get \(peer.address)")]
      }
      return [.warn("not tried: raw sockets need CAP_NET_RAW", mend: "run 'guise check' as root")]
    }
  }

  static func finding(_ outcomes: [HandshakeProbe.Outcome], _ peer: Endpoint) -> Finding {
    var times: [UInt64] = []
    var isOfOurKind = true
    for case .answered(let time, let ours) in outcomes {
      times.append(time)
      isOfOurKind = isOfOurKind && ours
    }
    let count = outcomes.count
    guard !times.isEmpty else {
      if case .notSent(let errno)? = outcomes.first {
        return .fail(
          "this host does not let packets to \(peer) out (\(KernelError.reason(errno)))",
          mend: "nft list ruleset, and look for what drops in the output hook")
      }
      return outcomes.contains(.refused)
        ? .fail(
          "\(peer) refuses: nothing serves that port, or its rules are missing",
          mend: "at the peer: 'guise server --local \(peer.port) …', and 'guise check --serve \(peer.port)'")
        : .fail(
          "\(peer) does not answer (\(count) SYNs)",
          mend: "let TCP port \(peer.port) in at the peer's provider and firewall; 'tcpdump -ni any tcp port "
            + "\(peer.port)' at both ends shows how far they come")
    }
    guard isOfOurKind else {
      return .fail(
        "an ordinary TCP program answers at \(peer), not guise nor Phantun, or a proxy on the way does",
        mend: "give the port of 'guise server --local', or try another one")
    }
    times.sort()
    let milliseconds = [times[0], times[times.count / 2], times[times.count - 1]].map(Self.milliseconds)
    let text =
      "\(peer) answers \(times.count) of \(count) handshakes, after \(milliseconds[0]), \(milliseconds[1]), "
      + "\(milliseconds[2]) ms (least, median, most)"
    guard times.count == count else {
      return .warn(
        text + ": packets are lost, or its limits are reached",
        mend:
          "'guise check --peer \(peer) --attempts 100' tells how many; 'mtr -T -P \(peer.port) \(peer.address)' where"
      )
    }
    return .fine(text)
  }

  private static func milliseconds(_ nanoseconds: UInt64) -> String {
    let tenths = (nanoseconds + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}
