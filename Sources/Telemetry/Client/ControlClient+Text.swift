internal import DataPlane
internal import Glibc

extension ControlClient {
  /// Whether a process listens there, or somebody may not ask.
  package var isAlive: Bool {
    do throws(Failure) {
      close(try UnixSocket.connected(to: path, secondsMax: 1))
      return true
    } catch {
      return error != .dead
    }
  }
}

extension ControlClient.Failure {
  package var text: String {
    switch self {
    case .dead: "the process has ended meanwhile"
    case .refused(let errno) where errno == EACCES:
      "this user may not ask: use sudo, or join the group of the control socket"
    case .refused(EAGAIN): "the process does not answer in time"
    case .refused(let errno): "the process does not answer: \(KernelError.reason(errno))"
    case .answered(let reason): reason.printable
    case .unreadable: "the process answers in another way than this version expects"
    }
  }
}
