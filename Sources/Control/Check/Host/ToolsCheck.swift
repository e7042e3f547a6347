/// The programs that guise has the host set up by.
struct ToolsCheck: Check {
  let name = "programs"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    var findings: [Finding] = []
    for tool in HostTool.allCases where host.path(tool) == nil { findings.append(.fail(.toolMissing(tool))) }
    if host.path(.ip) != nil {
      do throws(SetupError) {
        _ = try HostNetwork.takenPrefixes(addresses: try host.run(.ip, ["-j", "address", "show"], ""))
      } catch {
        findings.append(.fail(error))
      }
    }
    return findings.isEmpty ? [.fine("ip and nft are there")] : findings
  }
}
