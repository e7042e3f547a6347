import Foundation
import Synchronization

/// A command that ended badly or not at all.
struct CommandFailure: Error, CustomStringConvertible {
  let description: String
}

/// A network namespace: a host of its own, as far as the network goes.
struct Namespace: Sendable {
  /// `ge-<pid>-<n>`: unique on the machine, and telling whose it is.
  let name: String

  private static let prefix = "ge-"
  private static let made = Mutex(0)
  private var path: String { "/run/netns/\(name)" }
  private var configuration: String { "/etc/netns/\(name)" }

  /// Makes a namespace with its loopback up, no forwarding, and addresses that are usable at once.
  init() throws {
    let number = Self.made.withLock { made in
      made += 1
      return made
    }
    name = "\(Self.prefix)\(getpid())-\(number)"
    try Self.command(["ip", "netns", "add", name])
    // The kernel uses inode numbers again, and somebody may have forgotten what is kept under this one.
    removeStateFiles()
    try run(
      "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0",
      "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0",
      "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
    try ip("link", "set", "lo", "up")
  }

  /// Removes it, its `/etc` overlay, and what killed gateways left about it under `/run`.
  func remove() {
    removeStateFiles()
    try? FileManager.default.removeItem(atPath: configuration)
    _ = try? Self.command(["ip", "netns", "del", name])
  }

  /// Joins two namespaces by a virtual cable, with an address at either end (CIDR notation); returns
  /// when the kernel has noticed that it is plugged in.
  static func link(
    _ a: Namespace, _ aDevice: String, _ aAddresses: [String],
    _ b: Namespace, _ bDevice: String, _ bAddresses: [String]
  ) async throws {
    try a.ip("link", "add", aDevice, "type", "veth", "peer", "name", bDevice, "netns", b.name)
    let ends = [(a, aDevice, aAddresses), (b, bDevice, bAddresses)]
    for (end, device, addresses) in ends {
      for address in addresses { try end.add(address, to: device) }
      try end.ip("link", "set", device, "up")
    }
    for (end, device, _) in ends {
      try await until("\(device) of \(end.name) to be up", within: .seconds(5)) {
        let linkLocal = try end.ip("-6", "address", "show", "dev", device, "scope", "link")
        return try end.ip("link", "show", "dev", device).contains("state UP") && linkLocal.contains("fe80:")
      }
    }
  }

  /// Adds an address (CIDR notation) to a device.
  func add(_ address: String, to device: String) throws {
    try ip(["addr", "add", address, "dev", device] + (address.contains(":") ? ["nodad"] : []))
  }

  /// Runs `ip` on this namespace.
  @discardableResult
  func ip(_ arguments: String...) throws -> String { try ip(arguments) }

  @discardableResult
  private func ip(_ arguments: [String]) throws -> String {
    try Self.command(["ip", "-n", name] + arguments)
  }

  /// Runs a command inside and returns what it printed; throws when it fails or takes over 10 s.
  @discardableResult
  func run(_ arguments: String...) throws -> String { try run(arguments) }

  @discardableResult
  func run(_ arguments: [String]) throws -> String { try Self.command(entering + arguments) }

  /// Starts a program inside.
  func start(_ arguments: [String], title: String? = nil) throws -> ChildProcess {
    try ChildProcess(entering + arguments, title: title ?? arguments.joined(separator: " "))
  }

  /// Loads rules in nft's language.
  func load(rules: String) throws {
    try run("sh", "-c", "printf %s \"$1\" | nft -f -", "sh", rules)
  }

  /// Puts a file in the place of `/etc/<name>` for programs started inside from now on (ip-netns(8)).
  func overlay(_ file: String, _ text: String) throws {
    _ = try self.file(file, Array(text.utf8))
  }

  /// Writes a file that lasts as long as the namespace; returns its path.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try FileManager.default.createDirectory(atPath: configuration, withIntermediateDirectories: true)
    let path = "\(configuration)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  /// How many UDP sockets there are, whoever holds them.
  var datagramSocketCount: Int {
    get throws {
      try run("cat", "/proc/net/udp", "/proc/net/udp6").split(separator: "\n").count { $0.contains(": ") }
    }
  }

  /// What gateways keep about their changes to this namespace, and their lock.
  var stateFiles: [String] {
    guard let folder = stateFolder else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.map { "\(folder)/\($0)" }
  }

  /// The numbers of the programs of that name that run here.
  func processes(named name: String) throws -> [pid_t] {
    try run("ip", "netns", "pids", self.name).split(separator: "\n").compactMap { pid_t($0) }.filter {
      (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) == "\(name)\n"
    }.sorted()
  }

  private var stateFolder: String? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.systemFileNumber] as? Int).map { "/run/guise/\($0)" }
  }

  private func removeStateFiles() {
    if let folder = stateFolder { try? FileManager.default.removeItem(atPath: folder) }
  }

  /// Runs `body` on a thread that lives in this namespace; sockets made there stay in it.
  func inside<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) throws -> Result {
    try onOwnThread {
      let descriptor = try SystemError.check("open \(path)", unsafe open(path, O_RDONLY | O_CLOEXEC))
      defer { close(descriptor) }
      try SystemError.check("setns", HiddenCall.enterNetwork(of: descriptor))
      return try body()
    }
  }

  /// Ends the programs in namespaces of test runs that are no more, and removes them.
  static func removeStale() throws {
    for line in try command(["ip", "netns", "list"]).split(separator: "\n") {
      let name = String(line.prefix { $0 != " " })
      let parts = name.split(separator: "-")
      guard name.hasPrefix(prefix), parts.count == 3, let owner = pid_t(parts[1]), kill(owner, 0) != 0
      else { continue }
      let stale = Namespace(stale: name)
      for process in (try? command(["ip", "netns", "pids", name]))?.split(separator: "\n") ?? [] {
        if let process = pid_t(process) { kill(process, SIGKILL) }
      }
      stale.remove()
    }
  }

  private init(stale name: String) { self.name = name }

  private var entering: [String] { ["ip", "netns", "exec", name] }

  /// Runs a short command to its end.
  @discardableResult
  private static func command(_ arguments: [String]) throws -> String {
    let process = try ChildProcess(arguments, recorded: false)
    let deadline = ContinuousClock.now + .seconds(10)
    while true {
      if let exit = process.poll() {
        guard exit == .code(0) else {
          throw CommandFailure(
            description: "\(process.title) ended with \(exit): \(process.log)\(process.output)")
        }
        return process.output
      }
      guard ContinuousClock.now < deadline else {
        throw CommandFailure(description: "\(process.title) did not end within 10 s")
      }
      usleep(500)
    }
  }
}
