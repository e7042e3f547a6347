package import DataPlane
internal import Glibc

/// Why io_uring is out of use on this host.
package enum UringRefusal: Equatable, Sendable {
  /// `kernel.io_uring_disabled` has this value, which forbids it to this process.
  case disabled(String)
  /// The sysctl permits it, so something else forbids it: a seccomp filter or a security module.
  case filtered
  /// The kernel does not know all that is needed.
  case tooOld(KernelError)

  /// Its rings are locked memory, of which a process without CAP_IPC_LOCK may have little.
  case lockedMemory(KernelError)

  /// nil when the error says nothing about whether io_uring may be used.
  init?(_ error: KernelError, sysctl: Sysctl = Sysctl()) {
    guard error.operation.hasPrefix("io_uring") else { return nil }
    switch error.errno {
    case EPERM, EACCES:
      let value = sysctl.read("kernel/io_uring_disabled")
      self = if let value, value != "0" { .disabled(value) } else { .filtered }
    case ENOSYS, EINVAL, EOPNOTSUPP: self = .tooOld(error)
    case ENOMEM: self = .lockedMemory(error)
    default: return nil
    }
  }

  /// What is the matter, as part of a sentence.
  var reason: String {
    switch self {
    case .disabled(let value): "kernel.io_uring_disabled is \(value)"
    case .filtered: "a seccomp profile, as containers have, or a security module forbids it"
    case .tooOld(let error): "this kernel lacks what guise needs, Linux 6.7 has it: \(error)"
    case .lockedMemory(let error): "too little memory may be locked: \(error)"
    }
  }

  /// What would make it usable.
  var remedy: String {
    switch self {
    case .disabled: "set 'sysctl -w kernel.io_uring_disabled=0'"
    case .filtered:
      "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile "
        + "('docker run --security-opt seccomp=FILE')"
    case .tooOld: "run Linux 6.7 or newer"
    case .lockedMemory:
      "allow more by 'LimitMEMLOCK=infinity' in systemd, 'ulimit -l unlimited', or '--cap-add IPC_LOCK' of the container"
    }
  }
}
