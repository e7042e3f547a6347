/// The control sockets of this host's running processes: `INODE-DEVICE.sock` in `/run/guise/INODE`.
package enum ControlSockets {
  package struct Entry: Sendable, Equatable {
    package let path: String
    /// The tunnel's device.
    package let name: String
  }

  /// Those that may be somebody's, of all network namespaces, by name.
  package static func all(root: String = StateDirectory.standardPath) -> [Entry] {
    TextFile.names(in: root).flatMap { directory in
      TextFile.names(in: "\(root)/\(directory)").compactMap { file in
        name(of: file, in: directory).map { Entry(path: "\(root)/\(directory)/\(file)", name: $0) }
      }
    }.sorted { ($0.name, $0.path) < ($1.name, $1.path) }
  }

  private static func name(of file: String, in directory: String) -> String? {
    let (prefix, suffix) = ("\(directory)-", ".sock")
    guard file.hasPrefix(prefix), file.hasSuffix(suffix) else { return nil }
    return String(file.dropFirst(prefix.count).dropLast(suffix.count))
  }
}
