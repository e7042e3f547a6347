internal import CLiburing
internal import DataPlane
internal import Glibc

/// What packets would be passed by that are translated at tc, before netfilter and routing.
enum Bypass {
  /// Why packets by `outlet` must not be translated at tc, where nobody has asked for it: rules of others are for
  /// them as well. nil where there are none.
  static func obstacle(on outlet: String) -> String? {
    rules() ?? filters(on: outlet) ?? policies()
  }

  /// The same, or what keeps programs from being attached at all.
  @Sendable
  static func obstacleOrRefusal(on outlet: String) -> String? {
    guard hasLinkHeader(outlet) else { return "\(outlet) has no link-layer header" }
    if let obstacle = obstacle(on: outlet) { return obstacle }
    do throws(KernelError) {
      return try TranslatorPrograms.canLookUpRoutes(isMarked: false) ? nil : tooOld(isMarked: false)
    } catch {
      return refusal(error)
    }
  }

  /// Why there are no programs, in words.
  static func refusal(_ error: KernelError) -> String {
    "the kernel refuses programs at tc (\(error))" + (error.errno == EPERM ? ": CAP_BPF lets it" : "")
  }

  static func tooOld(isMarked: Bool) -> String {
    isMarked
      ? "programs at tc know nothing of '--fwmark' before Linux 6.10" : "programs at tc need Linux 6.3"
  }

  /// Chains of others that see what is forwarded.
  static func rules() -> String? {
    do throws(SetupError) {
      if let chain = try Ruleset.current().chainForForwarded {
        return "the chain '\(chain)' is for forwarded packets as well"
      }
    } catch {
      return "the host's rules cannot be seen (\(error))"
    }
    // Rules of iptables-legacy, which nft does not show.
    let names = ["ip_tables_names", "ip6_tables_names"].flatMap { TextFile.lines("/proc/net/\($0)") }
    return names.isEmpty ? nil : "iptables-legacy has rules"
  }

  /// Filters of tc(8) that see what comes in by `outlet`.
  static func filters(on outlet: String) -> String? {
    unsafe (try? IngressFilters(device: if_nametoindex(outlet)).hasForeign()) != true
      ? nil : "\(outlet) has filters for what comes in ('tc filter show dev \(outlet) ingress')"
  }

  /// Policies of IPsec: "SPD IN 0 OUT 0 FWD 0".
  static func policies() -> String? {
    // Fails where the kernel has no IPsec.
    guard let text = try? HostTool.ip.run(["xfrm", "policy", "count"]) else { return nil }
    let counts = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }.compactMap { Int($0) }
    return counts.allSatisfy { $0 == 0 } ? nil : "the host has policies of IPsec ('ip xfrm policy')"
  }

  /// Whether packets by a device have the link-layer header that the programs reckon with (ARPHRD_ETHER).
  static func hasLinkHeader(_ device: String) -> Bool { unsafe guise_link_get_type(device) == 1 }

  /// ARPHRD_LOOPBACK.
  static func isLoopback(_ device: String) -> Bool { unsafe guise_link_get_type(device) == 772 }
}
