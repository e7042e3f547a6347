internal import Glibc

/// Runs one short-lived program to its end and gives what it printed. An interrupt typed at the terminal does not
/// reach it, as it may be a part of a clean-up.
enum ChildProcess {
  struct Outcome: Equatable {
    /// The exit status, or 128 plus the signal that ended it.
    var status: Int32
    var output: String
    var errors: String
  }

  enum Failure: Error, Equatable {
    case notStarted(errno: Int32)
    case unreadable(errno: Int32)
    case timedOut
  }

  static let secondsMax = 20

  static func run(_ path: String, _ arguments: [String], input: String = "") throws(Failure) -> Outcome {
    let stdin = try ProgramInput(input)
    var stdout = try Pipe()
    var stderr = try Pipe()
    // Messages and numbers in the form that is parsed, whatever the operator's language.
    let search = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
    let child = try ProgramStart.start(
      path, arguments, descriptors: [stdin.descriptor, stdout.writeEnd, stderr.writeEnd],
      environment: ["LC_ALL=C", "PATH=\(search)"])
    stdout.closeWriteEnd()
    stderr.closeWriteEnd()

    do throws(Failure) {
      let texts = try collect([stdout.readEnd, stderr.readEnd])
      return Outcome(status: wait(for: child), output: texts[0], errors: texts[1])
    } catch {
      kill(child, SIGKILL)
      _ = wait(for: child)
      throw error
    }
  }

  /// Reads all descriptors to their end, for no longer than `secondsMax`.
  private static func collect(_ descriptors: [Int32]) throws(Failure) -> [String] {
    var bytes = [[UInt8]](repeating: [], count: descriptors.count)
    var polls = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var chunk = [UInt8](repeating: 0, count: 16_384)
    let deadline = ContinuousClock.now + .seconds(secondsMax)
    while polls.contains(where: { $0.fd >= 0 }) {
      guard unsafe poll(&polls, nfds_t(polls.count), 1000) >= 0 || errno == EINTR else {
        throw .unreadable(errno: errno)
      }
      guard ContinuousClock.now < deadline else { throw .timedOut }
      for index in polls.indices where polls[index].fd >= 0 && polls[index].revents != 0 {
        let count = unsafe read(polls[index].fd, &chunk, chunk.count)
        if count > 0 {
          bytes[index] += chunk[..<count]
        } else if count == 0 || errno != EINTR {
          polls[index].fd = -1  // poll(2) passes over it
        }
      }
    }
    return bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func wait(for child: pid_t) -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    switch ProcessEnd(waitStatus: status) {
    case .status(let status): return status
    case .signal(let signal): return 128 + signal
    }
  }
}
