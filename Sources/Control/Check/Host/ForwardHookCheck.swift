internal import DataPlane

/// Whether other tables' forward chains let guise's packets through. An accept in guise's own cannot overrule
/// them.
struct ForwardHookCheck: Check {
  let name = "firewall"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    var findings: [Finding] = []
    if let listing = host.output(.nft, "-j", "list", "ruleset") {
      do throws(SetupError) {
        let ruleset = try Ruleset(listing: listing)
        let passage = Passage(
          device: plan.device, egress: HostNetwork.egressDevices(plan).first, isClient: plan.mayConnect,
          isServer: plan.mayServe)
        findings = ruleset.obstacles(to: passage).map {
          .fail($0.text, mend: $0.remedy(device: plan.device))
        }
      } catch {
        findings = [.fail(error)]
      }
    }
    // Rules of iptables-legacy, which nft does not show.
    if let tables = host.text("/proc/net/ip_tables_names"), tables.split(separator: "\n").contains("filter") {
      findings.append(
        .warn(
          "iptables-legacy has rules, which nft cannot see",
          mend:
            "iptables-legacy -S FORWARD: if it drops, 'iptables-legacy -I FORWARD -i guise+ -j ACCEPT', and the "
            + "same with '-o guise+'"))
    }
    return findings.isEmpty ? [.fine("forward chains let guise's packets through")] : findings
  }
}
