internal import DataPlane
internal import Glibc

/// The record of this instance, whose file it holds for as long as it lives: for whoever cleans up after it, and for
/// others on this host that ask what it does.
struct InstanceClaim: ~Copyable {
  private var record: InstanceRecord
  private let file: LockedFile

  /// Takes the instance's file and fills it in.
  init(_ record: InstanceRecord, in state: StateDirectory) throws(LockedFile.Failure) {
    file = try state.claim(record)
    self.record = record
  }

  /// Writes down what has come to be otherwise. Outlets are added to those known, since programs may be left there;
  /// without `remotes`, a client's servers stay.
  mutating func renew(
    outlets: [String]?, isStateless: Bool?, remotes: [Endpoint]? = nil
  ) throws(LockedFile.Failure) {
    var next = record
    let known = next.outlets ?? []
    let added = (outlets ?? []).filter { !known.contains($0) }
    if !added.isEmpty { next.outlets = known + added }
    next.isStateless = isStateless
    if let remotes { next.remotes = remotes.map { "\($0)" } }
    guard next != record else { return }
    // Not tried again for the same change.
    record = next
    try file.replaceContents(StateDirectory.encode(next))
  }

  consuming func remove() { file.remove() }
}

extension InstanceRecord {
  /// What a gateway is about to have on the host.
  init(
    _ preflight: Preflight, device: String, _ rules: FirewallRules?, outlets: [String]?, flowFile: String?,
    in namespace: NetworkNamespace
  ) {
    let configuration = preflight.configuration
    let serves = configuration.listenPort
    self.init(
      namespace: namespace.identity, processID: getpid(), tunnel: configuration.name, device: device,
      firewallTable: rules.map { FirewallRules.table(of: $0.device) }, outlets: outlets,
      serves: serves.map { "\($0)" },
      remotes: serves == nil ? preflight.remotes.map { "\($0)" } : nil,
      isStateless: rules?.isStateless, flowFile: flowFile)
  }
}
