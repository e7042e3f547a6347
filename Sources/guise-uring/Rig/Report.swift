internal import Glibc

/// What a run of the program found, for `--json`.
struct Report: Codable {
  struct Result: Codable {
    let experiment: String
    let question: String
    let comparisons: [Comparison]
  }

  let kernel: String
  let processors: Int
  let rounds: Int
  let operations: Int
  var results: [Result] = []

  init(rounds: Int, operations: Int) {
    var name = utsname()
    unsafe uname(&name)
    kernel = unsafe withUnsafeBytes(of: &name.release) {
      unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    self.rounds = rounds
    self.operations = operations
  }
}
