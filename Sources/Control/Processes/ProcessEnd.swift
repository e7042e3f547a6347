internal import Glibc

/// How a process ended, out of the status of waitpid(2).
enum ProcessEnd: Equatable, Sendable, CustomStringConvertible {
  case status(Int32)
  case signal(Int32)

  init(waitStatus status: Int32) {
    let signal = status & 0x7f
    self = signal == 0 ? .status((status >> 8) & 0xff) : .signal(signal)
  }

  var description: String {
    switch self {
    case .status(let status): "ended with status \(status)"
    case .signal(let signal): "was killed by signal \(signal) (\(unsafe String(cString: strsignal(signal))))"
    }
  }
}
