import Foundation

/// What a thread of a process may do, out of `/proc/PID/task/TID/status` (proc(5)).
struct ThreadStatus: Sendable {
  let name: String
  private let fields: [String: String]

  /// Every thread of a process, the main one first.
  static func all(of process: Int32) throws -> [ThreadStatus] {
    let folder = "/proc/\(process)/task"
    return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { Int($0) }.sorted().map {
      ThreadStatus(text: try String(contentsOfFile: "\(folder)/\($0)/status", encoding: .utf8))
    }
  }

  private init(text: String) {
    var fields: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      fields[String(parts[0])] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
    }
    self.fields = fields
    name = fields["Name"] ?? "?"
  }

  /// The real, effective, saved and file system's user and group.
  var users: [Int] { numbers("Uid") }
  var groups: [Int] { numbers("Gid") }
  var furtherGroups: [Int] { numbers("Groups") }
  var refusesNewPrivileges: Bool { fields["NoNewPrivs"] == "1" }
  /// SECCOMP_MODE_FILTER.
  var isFiltered: Bool { fields["Seccomp"] == "2" }

  /// A set of capabilities, such as `CapEff`, by their numbers.
  func capabilities(_ set: String) -> Set<Int> {
    let mask = UInt64(fields[set] ?? "", radix: 16) ?? .max
    return Set((0..<64).filter { mask & 1 << UInt64($0) != 0 })
  }

  private func numbers(_ field: String) -> [Int] {
    (fields[field] ?? "").split { $0 == " " || $0 == "\t" }.compactMap { Int($0) }
  }
}
