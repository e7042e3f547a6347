internal import CLiburing
internal import Glibc

/// What a program finds on its standard input: a file in memory (memfd_create(2)), close-on-exec, of any length. Nobody
/// waits for the program to read it, nor gets SIGPIPE where it ends first, as with a pipe.
struct ProgramInput: ~Copyable {
  let descriptor: Int32

  init(_ text: String) throws(ChildProcess.Failure) {
    descriptor = unsafe guise_memory_file("guise-input")
    guard descriptor >= 0 else { throw .notStarted(errno: -descriptor) }
    // The program's offset is this one's, and stays at the beginning.
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes[written...].withUnsafeBytes {
        unsafe pwrite(descriptor, $0.baseAddress, $0.count, off_t(written))
      }
      guard count >= 0 || errno == EINTR else { throw .notStarted(errno: errno) }
      written += max(count, 0)
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
