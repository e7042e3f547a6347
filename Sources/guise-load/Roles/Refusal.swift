internal import Glibc
internal import LoadModel

/// What a refused send or receive means for a traffic maker.
enum Refusal {
  /// Nobody listens: the answer to an earlier datagram; this one has not left yet.
  case nobodyListens
  /// No route, or a firewall of this host says no; it may pass.
  case noWay
  /// The kernel's queues are full.
  case noRoom
  case interrupted
  /// The request itself is wrong.
  case permanent

  init(errno: Int32) {
    switch errno {
    case ECONNREFUSED: self = .nobodyListens
    case EPERM, ENETUNREACH, EHOSTUNREACH, ENETDOWN, ENOPROTOOPT, ETIMEDOUT, EPROTO: self = .noWay
    case EAGAIN, ENOBUFS, ENOMEM: self = .noRoom
    case EINTR: self = .interrupted
    default: self = .permanent
    }
  }
}
