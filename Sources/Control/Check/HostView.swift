internal import DataPlane
internal import Glibc

/// What checks see of a host. Tests put something else in the place of a part.
struct HostView: Sendable {
  var privileges: Privileges
  /// `/proc/sys`.
  var sysctl: Sysctl
  /// Stands in front of `/proc` and `/run`.
  var root: String
  var openFileLimits: rlimit
  /// Opens the TUN device and closes it again: 0 or an errno.
  var openTun: @Sendable () -> Int32
  /// Sets up a small ring and takes it down again.
  var tryUring: @Sendable () throws(KernelError) -> Void
  /// Where a program is.
  var path: @Sendable (HostTool) -> String?
  var run: @Sendable (HostTool, [String], String) throws(SetupError) -> String
  /// What a link's driver is told to do.
  var offloads: @Sendable (String) -> LinkOffloads?
  /// Why packets by a device cannot be translated at tc; nil where they can.
  var obstacleToBypass: @Sendable (String) -> String?
  /// Bytes of receive buffer that a UDP socket gets when it asks for `UDPSocket.sharedReceiveBytes`.
  var receiveBuffer: @Sendable () -> Int?

  static func current() -> HostView {
    HostView(
      privileges: .current(), sysctl: Sysctl(), root: "", openFileLimits: DescriptorLimit.current(),
      openTun: {
        let descriptor = unsafe open("/dev/net/tun", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return errno }
        close(descriptor)
        return 0
      },
      tryUring: { () throws(KernelError) in
        try EngineChoice.tryUring(workers: HostCPUs.current().allowed.count)
      },
      path: { $0.path() },
      run: { (tool, arguments, input) throws(SetupError) in try tool.run(arguments, input: input) },
      offloads: LinkOffloads.init(device:), obstacleToBypass: Bypass.obstacleOrRefusal,
      receiveBuffer: { UDPSocket.grantedReceiveBytes() })
  }

  func text(_ path: String) -> String? { TextFile.text(root + path) }
  /// What instances of this network namespace have on record.
  func instances(areAlive: Bool) -> [InstanceRecord] {
    let namespace = NetworkNamespace.current()
    return StateDirectory.instances(
      "\(root)\(StateDirectory.standardPath)/\(namespace.inode)", namespace, areAlive: areAlive)
  }

  func names(in folder: String) -> [String] { TextFile.names(in: root + folder) }
  func number(_ name: String) -> Int? { sysctl.read(name).flatMap { Int($0) } }

  /// What `ip` or `nft` printed, or nil where it fails: what is missing has a check of its own.
  func output(_ tool: HostTool, _ arguments: String...) -> String? { try? run(tool, arguments, "") }
}
