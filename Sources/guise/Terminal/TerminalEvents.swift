internal import Control
internal import DataPlane
internal import Glibc

/// What happens to a program that has a terminal, one by one: keys, signals, and news of its own.
///
/// Signals are blocked in every thread and taken by one, which passes them on as bytes of a pipe. So a terminal is
/// always given back by the thread that draws on it, and between two pictures. Lives as long as the process.
struct TerminalEvents {
  enum Event: Equatable {
    /// A byte that was typed, if ASCII.
    case key(Character)
    /// Something to show, or another size.
    case redraw
    /// Ctrl-Z.
    case suspend
    /// A signal that ends programs, or nobody sees the terminal any more.
    case end
  }

  private let readEnd: Int32
  private let writeEnd: Int32
  private var watchesKeys: Bool

  /// To be made on the main thread before there are others.
  init() throws(KernelError) {
    var ends: [Int32] = [-1, -1]
    try KernelError.checkErrno("pipe", unsafe pipe(&ends))
    (readEnd, writeEnd) = (ends[0], ends[1])
    // A write that finds the pipe full has nothing new to say.
    _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
    watchesKeys = isatty(STDIN_FILENO) == 1
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH] {
      unsafe sigaddset(&set, signal)
    }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A reader that has gone is noticed by what write(2) returns.
    signal(SIGPIPE, SIG_IGN)
    let (signals, pipe) = (set, writeEnd)
    _ = try WorkerThread(named: "guise-signals") { _ in
      var signals = signals
      var number: Int32 = 0
      while unsafe sigwait(&signals, &number) == 0 { Self.send(UInt8(number), to: pipe) }
    }
  }

  /// Makes `next` return `.redraw`; for other threads.
  var announcer: @Sendable () -> Void {
    let pipe = writeEnd
    return { Self.send(0, to: pipe) }
  }

  private static func send(_ byte: UInt8, to pipe: Int32) {
    var byte = byte
    _ = unsafe write(pipe, &byte, 1)
  }

  /// Waits for the next one.
  mutating func next() -> Event {
    while true {
      var watched = [
        pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0),
        // Tells by itself when nobody reads any more.
        pollfd(fd: STDOUT_FILENO, events: 0, revents: 0),
        pollfd(fd: watchesKeys ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
      ]
      guard unsafe poll(&watched, nfds_t(watched.count), -1) > 0 else { continue }
      if watched[0].revents != 0, let byte = Self.read(readEnd) {
        switch Int32(byte) {
        case 0, SIGCONT, SIGWINCH: return .redraw
        case SIGTSTP: return .suspend
        default: return .end
        }
      }
      if watched[1].revents != 0 { return .end }
      if watched[2].revents != 0 {
        if let byte = Self.read(STDIN_FILENO) { return .key(Character(Unicode.Scalar(byte))) }
        watchesKeys = false
      }
    }
  }

  private static func read(_ descriptor: Int32) -> UInt8? {
    var byte: UInt8 = 0
    return unsafe Glibc.read(descriptor, &byte, 1) == 1 ? byte : nil
  }
}
