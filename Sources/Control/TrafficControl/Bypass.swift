internal import CLiburing
internal import DataPlane
internal import Glibc

/// What packets would be passed by that are translated at tc, before netfilter and routing.
enum Bypass {
  /// Why packets by `outlet` must not be translated at tc, where nobody has asked for it: rules of others are for
  /// them as well. nil where there are none.
  static func obstacle(on outlet: String) -> String? {
    do throws(SetupError) {
      if let rules = try rules() { return rules }
    } catch {
      return "the host's rules cannot be seen (\(error))"
    }
    return filters(on: outlet) ?? policies()
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
    "the kernel refuses programs at tc \(BPFKernel.reason(error))"
  }

  static func tooOld(isMarked: Bool) -> String {
    isMarked
      ? "programs at tc know nothing of '--fwmark' before Linux 6.10" : "programs at tc need Linux 6.3"
  }

  /// Chains of others that see what is forwarded. Throws where nft(8) does not say.
  static func rules() throws(SetupError) -> String? {
    if let chain = try Ruleset.current().chainForForwarded {
      return "the chain '\(chain)' is for forwarded packets as well"
    }
    return legacyRules()
  }

  /// Rules of iptables-legacy, which nft does not show. Root alone can see that there are any.
  static func legacyRules() -> String? {
    let names = ["ip_tables_names", "ip6_tables_names"].flatMap { TextFile.lines("/proc/net/\($0)") }
    return names.isEmpty ? nil : "iptables-legacy has rules"
  }

  /// Filters of tc(8), or programs before them, that see what comes in by `outlet`.
  static func filters(on outlet: String) -> String? {
    let index = unsafe if_nametoindex(outlet)
    guard (try? IngressFilters(device: index).hasForeign()) == true else { return programs(on: outlet) }
    return "\(outlet) has filters for what comes in ('tc filter show dev \(outlet) ingress')"
  }

  /// Programs before all filters, as Cilium attaches them (TCX, Linux 6.6). What they give to the stack, and not to the
  /// next program, filters never see.
  static func programs(on outlet: String) -> String? {
    guard unsafe guise_bpf_count_tcx_ingress(if_nametoindex(outlet)) > 0 else { return nil }
    return "\(outlet) has programs for what comes in ('bpftool net show dev \(outlet)')"
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

  /// Whether nothing enters the host by this device, so that its addresses are asked for by other ones: loopback
  /// (ARPHRD_LOOPBACK), and what has a link-layer header but no link, as `dummy` (IFF_NOARP).
  static func isEnteredByOthers(_ device: String) -> Bool {
    if unsafe guise_link_get_type(device) == 772 { return true }
    let flags = unsafe guise_link_get_flags(device)
    return hasLinkHeader(device) && flags > 0 && flags & Int32(IFF_NOARP) != 0
  }
}
