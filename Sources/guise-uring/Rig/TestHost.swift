internal import CLiburing
internal import Control
internal import DataPlane
internal import Glibc

/// A network namespace of this program's own, and a second one behind a veth pair. Both end with it.
///
/// ```
///   tun<n> 10.30.<n>.1/24 ──── here ──── sink 10.20.0.1/24   (a bridge without ports: frees what it gets)
///                               │
///                               └─ near 10.40.0.1/24 ═══ far 10.40.0.2/24, in the second namespace
/// ```
final class TestHost {
  static let loopback = address("127.0.0.1")
  static let sink = address("10.20.0.2")
  static let near = address("10.40.0.1")
  static let far = address("10.40.0.2")

  private let here: Int32
  private let there: Int32
  private var tunCount = 0
  private var portCount: UInt16 = 0

  /// Throws EPERM without CAP_NET_ADMIN and CAP_SYS_ADMIN. For the main thread, before others start.
  init() throws {
    try KernelError.check("unshare(CLONE_NEWNET)", guise_new_network())
    there = try Self.currentNetwork()
    // The second one stays reachable through its descriptor.
    try KernelError.check("unshare(CLONE_NEWNET)", guise_new_network())
    here = try Self.currentNetwork()
    try Self.write("1", to: "/proc/sys/net/ipv4/ip_forward")
    // Where it is not there at all, there is nothing to switch off.
    try? Self.write("1", to: "/proc/sys/net/ipv6/conf/all/disable_ipv6")
    try? Self.write("1", to: "/proc/sys/net/ipv6/conf/default/disable_ipv6")
    for words in [
      "link set lo up",
      "link add sink type bridge", "address add 10.20.0.1/24 dev sink", "link set sink up",
      "neighbour add 10.20.0.2 lladdr 02:00:00:00:00:01 dev sink nud permanent",
      "link add near type veth peer name far", "address add 10.40.0.1/24 dev near", "link set near up",
      "link set far netns /proc/\(getpid())/fd/\(there)",
    ] { try Self.ip(words) }
    try inFarNetwork {
      for words in ["link set lo up", "address add 10.40.0.2/24 dev far", "link set far up"] {
        try Self.ip(words)
      }
    }
  }

  deinit {
    close(here)
    close(there)
  }

  /// A new TUN device with one queue, its address 10.30.n.1/24. Whoever asks for it closes it.
  func makeTun() throws -> (device: TunDevice, network: Int) {
    tunCount += 1
    let device = try TunDevice.create(
      name: "tun\(tunCount)", queueCount: 1, mtu: 1_500, transmitQueueLength: 1_000, offload: true)
    try Self.ip("address add 10.30.\(tunCount).1/24 dev \(device.name)")
    try Self.ip("link set \(device.name) up")
    return (device, tunCount)
  }

  /// Whether what comes in at `near` goes through a NAPI queue.
  func setNAPI(_ isOn: Bool) throws {
    try KernelError.check("ioctl(ETHTOOL_SGRO)", unsafe guise_link_set_gro("near", isOn ? 1 : 0))
    try inFarNetwork {
      _ = try KernelError.check("ioctl(ETHTOOL_STSO)", unsafe guise_link_set_tso("far", isOn ? 0 : 1))
    }
  }

  /// A port that nobody else here has.
  func makePort() -> UInt16 {
    portCount += 1
    return 20_000 + portCount
  }

  /// Does something in the second namespace: sockets made there stay there.
  func inFarNetwork<Result>(_ body: () throws -> Result) throws -> Result {
    try KernelError.check("setns", guise_enter_network(there))
    defer { guise_enter_network(here) }
    return try body()
  }

  static func address(_ text: String) -> Address { Address(text)! }

  private static func currentNetwork() throws -> Int32 {
    try KernelError.checkErrno(
      "open(/proc/thread-self/ns/net)", unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
  }

  private static func ip(_ words: String) throws {
    try HostTool.ip.run(words.split(separator: " ").map(String.init))
  }

  private static func write(_ text: String, to path: String) throws {
    let file = try KernelError.checkErrno("open(\(path))", unsafe open(path, O_WRONLY | O_CLOEXEC))
    defer { close(file) }
    let bytes = Array(text.utf8)
    try KernelError.checkErrno(
      "write(\(path))", Int32(clamping: unsafe Glibc.write(file, bytes, bytes.count)))
  }
}
