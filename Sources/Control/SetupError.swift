package import DataPlane
internal import Glibc

/// Why a gateway cannot run. The text says in one line what is wrong and what to do about it.
package enum SetupError: Error, Equatable, Sendable {
  // The host lacks something.
  case noTunDevice(errno: Int32)
  case notPermitted
  case notPermittedForTools
  case toolMissing(HostTool)
  case toolNotStarted(HostTool, errno: Int32)
  case toolTimedOut(command: String, seconds: Int)
  case toolFailed(HostTool, command: String, status: Int32, message: String)
  case toolOutputUnreadable(command: String)
  case sysctlRefused(name: String, value: String, errno: Int32)
  case ipv6Unavailable(target: String)
  case setupBusy(path: String)
  case userUnknown(String)
  case userNotPermitted(String)
  case stateUnavailable(path: String)
  case flowFileForeign(path: String)
  case flowFileImpossible(path: String, errno: Int32)
  case takeOverImpossible(process: Int32, reason: String)
  case takeOverTimedOut(process: Int32, seconds: Int)
  case parentGone(process: Int32)
  case noTunnelStarted

  // Something that was asked for is taken, or cannot be.
  case deviceTaken(String)
  case tunAddressTaken(Address, reason: String)
  case tunAddressesEqual(Address)
  case noFreeTunAddress(AddressFamily)
  case udpPortTaken(Endpoint)
  case udpAddressUnavailable(Endpoint)
  case metricsRefused(Endpoint, errno: Int32)
  case offloadRefused
  case localAddressMissing(Address)
  case translationImpossible(GatewayConfiguration.FirewallMode, AddressFamily, reason: String)
  case remoteLoopback(Address)
  case remoteUnusable(Address, kind: String)
  case unresolved(option: String, name: String, reason: String)
  case familyUnavailable(option: String, target: String, family: AddressFamily)
  case mtuTooSmallForIPv6(Int)
  case fileUnreadable(path: String, errno: Int32)
  case handshakePacketUnusable(path: String, bytes: Int, limit: Int)
  case sourceFamily(Address, service: Address)
  case sourceMissing(Address)
  case sourceUnusable(Address, KernelError)
  case cpuMissing(Int, online: CPUList)
  case cpuForbidden(Int, allowed: CPUList)

  // The data plane's own refusals.
  case engineUnavailable(UringRefusal)
  case descriptorsExhausted(KernelError)
  case kernelRefused(KernelError)
  case confinementRefused(KernelError)
  case workerFailed(KernelError)
  case stopForced
}

extension SetupError {
  /// What a refusal by the data plane means to the operator.
  static func refusal(_ error: KernelError) -> SetupError {
    if let refusal = UringRefusal(error) { return .engineUnavailable(refusal) }
    if Confinement.operations.contains(where: error.operation.hasPrefix) { return .confinementRefused(error) }
    return [EMFILE, ENFILE].contains(error.errno) ? .descriptorsExhausted(error) : .kernelRefused(error)
  }
}

extension SetupError {
  /// Of a process that ends with it.
  package var exitStatus: Int32 {
    switch self {
    case .takeOverImpossible: Self.takeOverImpossibleStatus
    default: 1
    }
  }

  /// The running process could not be replaced as it is, and goes on.
  static let takeOverImpossibleStatus: Int32 = 3
}

extension SetupError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .noTunDevice(let errno) where errno == EACCES || errno == EPERM:
      "this user may not open /dev/net/tun: run as root, or 'chmod 0666 /dev/net/tun' (CAP_NET_ADMIN still "
        + "decides who makes devices), or allow it in the container"
    case .noTunDevice(let errno):
      "cannot open /dev/net/tun (\(text(errno))): load the module with 'modprobe tun', or give the container "
        + "the device with '--device /dev/net/tun'"
    case .notPermitted:
      "CAP_NET_ADMIN is missing, and without it there is no TUN device: run as root, or give the service "
        + "'AmbientCapabilities=CAP_NET_ADMIN', or the container '--cap-add NET_ADMIN'"
    case .notPermittedForTools:
      "CAP_NET_ADMIN is there but not inheritable, so ip and nft would lack it: run as root, or start guise "
        + "with the ambient capability ('AmbientCapabilities=CAP_NET_ADMIN' in systemd)"
    case .toolMissing(.nft):
      "nft is missing: 'apt install nftables', or use '--firewall off' and set up the rules yourself"
    case .toolMissing(let tool): "\(tool.rawValue) is missing: 'apt install \(tool.package)'"
    case .toolNotStarted(let tool, let errno): "cannot start \(tool.rawValue): \(text(errno))"
    case .toolTimedOut(let command, let seconds):
      "'\(command)' did not end within \(seconds) s: run it by hand to see what it waits for"
    case .toolFailed(let tool, let command, let status, let message):
      "'\(command)' failed with status \(status) (\(message.isEmpty ? "it said nothing" : message)): "
        + (tool == .nft
          ? "see that the kernel has nf_tables and NAT ('modprobe nft_chain_nat'), or use '--firewall off' and set "
            + "up the rules yourself"
          : "run it by hand to see more")
    case .toolOutputUnreadable(let command):
      "'\(command)' printed something that is not the expected JSON: guise needs iproute2 5.0 and nftables 0.9 "
        + "or newer"
    case .sysctlRefused(let name, let value, let errno):
      "cannot set \(dotted(name)) to \(value) (\(text(errno))): set it yourself with "
        + "'sysctl -w \(dotted(name))=\(value)', or 'docker run --sysctl \(dotted(name))=\(value)' for a container"
        + (name.hasPrefix("net/ipv6/") ? ", or use '--ipv4-only'" : "")
    case .ipv6Unavailable(let target):
      "\(target) is an IPv6 address, but IPv6 is switched off on this host: enable it "
        + "('sysctl -w net.ipv6.conf.all.disable_ipv6=0'), or use an IPv4 address"
    case .setupBusy(let path):
      "another guise has been setting up this network namespace for too long: see who holds \(path) with "
        + "'fuser -v \(path)'"
    case .stateUnavailable(let path): "cannot write \(path): run as root"
    case .flowFileForeign(let path):
      "\(path) is no flow file, and '--flow-file' would have guise replace it: choose another path, or move it away"
    case .flowFileImpossible(let path, let errno):
      "'--flow-file' \(path) cannot be made (\(text(errno))): choose a path in a directory that is there and can be "
        + "written, or leave the option out"
    case .takeOverImpossible(let process, let reason):
      "cannot take over from process \(process), since \(reason): end it ('kill \(process)') and start without "
        + "'--takeover'; its flows begin anew then"
    case .takeOverTimedOut(let process, let seconds):
      "process \(process) did not hand its flows over within \(seconds) s: see what it is doing, or 'kill -9 "
        + "\(process)' and start again, which goes on with its flows as well"
    case .parentGone(let process):
      "process \(process), which started this one, has ended: start 'guise run' again"
    case .noTunnelStarted: "no tunnel could be started: see what their processes say above"
    case .deviceTaken(let name):
      "a network device named \(name) exists already: choose another with '--tun', or leave it out"
    case .tunAddressTaken(let address, let reason):
      "the TUN address \(address) is taken, since \(reason): choose others with '--tun-local' and '--tun-peer' "
        + "('--tun-local6' and '--tun-peer6'), or leave them out"
    case .tunAddressesEqual(let address):
      "the two ends of the TUN device cannot both be \(address): choose different addresses"
    case .noFreeTunAddress(let family):
      "no free \(family) addresses found for the TUN device: choose some with "
        + (family == .ipv4 ? "'--tun-local' and '--tun-peer'" : "'--tun-local6' and '--tun-peer6'")
    case .metricsRefused(let endpoint, EADDRINUSE):
      "TCP port \(endpoint) is taken ('ss -ltnp sport = :\(endpoint.port)' names the program): give '--metrics' "
        + "another port"
    case .metricsRefused(let endpoint, let errno):
      "cannot serve metrics at \(endpoint) (\(text(errno))): give '--metrics' an address of this host, as in "
        + "127.0.0.1:9740"
    case .udpPortTaken(let endpoint):
      "UDP port \(endpoint.port) is taken on \(endpoint.address): stop who uses it ('ss -lunp sport = "
        + ":\(endpoint.port)' names it), or choose another with '--local'"
    case .udpAddressUnavailable(let endpoint):
      "this host has no address \(endpoint.address) to bind to: use one that 'ip address' shows, or 0.0.0.0"
    case .offloadRefused:
      "the TUN device refuses offload: use '--offload auto' to go on without it"
    case .localAddressMissing(let address):
      "this host has no address \(address) that others reach: give '--local' one that 'ip address' shows, or the "
        + "port alone"
    case .translationImpossible(let mode, let family, let reason):
      "'--firewall \(mode.rawValue)' is impossible for \(family), since \(reason); '--firewall auto' takes what "
        + "works here"
    case .remoteLoopback(let address):
      "'--remote' \(address) is a loopback address, which packets from a TUN device cannot reach: use the "
        + "address that the other end has on the network"
    case .remoteUnusable(let address, let kind):
      "'--remote' \(address) is \(kind), and no single host answers there: give the address of one host"
    case .unresolved(let option, let name, let reason):
      "cannot find the address of '\(name)' (\(option)): \(reason); check the name and the host's DNS, or give "
        + "an address"
    case .familyUnavailable(let option, let target, .ipv6):
      "\(option) \(target) has only IPv6 addresses and IPv6 is out of use here: leave out '--ipv4-only' and "
        + "enable IPv6 on the host, or give an IPv4 address"
    case .familyUnavailable(let option, let target, .ipv4):
      "\(option) \(target) has only IPv4 addresses and IPv4 is out of use here: give an IPv6 address"
    case .mtuTooSmallForIPv6(let mtu):
      "an MTU of \(mtu) is too small for IPv6, which needs 1280: raise '--mtu', or use '--ipv4-only'"
    case .fileUnreadable(let path, let errno): "cannot read \(path): \(text(errno))"
    case .handshakePacketUnusable(let path, let bytes, let limit):
      bytes == 0
        ? "the handshake packet \(path) is empty: put at least one byte into it, or leave out "
          + "'--handshake-packet'"
        : "the handshake packet \(path) has \(bytes) bytes, and at most \(limit) fit into one segment: make it "
          + "shorter"
    case .sourceFamily(let source, let service):
      "'--source' \(source) is an \(source.family) address, but the service's is \(service): give addresses of "
        + "this host that are \(service.family) as well"
    case .sourceMissing(let source):
      "this host has no address \(source) ('--source'): use those that 'ip address' shows, or add it with "
        + "'ip address add \(source) dev lo'"
    case .sourceUnusable(let source, let error):
      "the service cannot be reached from '--source' \(source) (\(error)): see 'ip route get' with 'from "
        + "\(source)'; a loopback address reaches services on this host alone"
    case .cpuMissing(let cpu, let online):
      "there is no CPU \(cpu) ('--cpus'), or it is switched off: this host has \(online)"
    case .cpuForbidden(let cpu, let allowed):
      "this process may not use CPU \(cpu) ('--cpus'), only \(allowed): choose among these, or permit it in "
        + "'AllowedCPUs=' or 'CPUAffinity=' in systemd, '--cpuset-cpus' of the container, or taskset(1)"
    case .engineUnavailable(let refusal):
      "io_uring is out of use (\(refusal.reason)): \(refusal.remedy), or use '--engine epoll'"
    case .descriptorsExhausted(let error):
      "there are too few descriptors (\(error)): raise the limit with 'LimitNOFILE=' in systemd, or 'ulimit -Hn'"
    case .userUnknown(let name) where name.contains(":"):
      "there is no user and group '\(name)' ('--user'): give names or numbers that 'getent passwd' and 'getent group' "
        + "show"
    case .userUnknown(let name):
      "there is no user '\(name)' ('--user'): make one with 'useradd --system \(name)', or give another name or "
        + "number"
    case .userNotPermitted(let name):
      "only root can go on as '\(name)' ('--user'): start guise as root with CAP_SETUID and CAP_SETGID, or leave "
        + "the option out"
    case .confinementRefused(let error):
      "cannot give up privileges (\(error)): '--sandbox off' goes on without filters of system calls, and "
        + "'--user root' as root"
    case .kernelRefused(let error) where error.errno == ENOMEM && error.operation.hasPrefix("mmap"):
      "there is too little memory (\(error)): raise the limit with 'LimitAS=' in systemd, or 'ulimit -v unlimited', "
        + "or take a smaller '--max-flows'"
    case .kernelRefused(let error): "the kernel refused \(error)"
    case .workerFailed(let error) where error.errno == EBADFD:
      "the TUN device is gone: somebody has removed it ('ip link delete', or a network manager that does not know "
        + "it); start guise again, which goes on with the flows ('Restart=on-failure' in systemd does so by itself)"
    case .workerFailed(let error): "a worker ended by itself: \(error)"
    case .stopForced: "stopped without waiting for the workers; peers notice only when they send"
    }
  }

  /// Names as sysctl(8) shows them, unless an interface's name holds dots itself.
  private func dotted(_ name: String) -> String {
    name.contains(".") ? name : name.replacing("/", with: ".")
  }

  private func text(_ errno: Int32) -> String { KernelError.reason(errno) }
}
