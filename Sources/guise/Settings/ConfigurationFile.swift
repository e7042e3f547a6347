internal import Control

/// A configuration file that makes sense: any number of tunnels (guise.toml(5)).
///
///     log-level = "notice"            # keys in front of the first table hold for every tunnel that has them
///
///     [client.office]                 # a tunnel: 'guise client --name office …'
///     local = "127.0.0.1:51821"       # a key is a long option without its dashes
///     remote = "example.org:4567"
struct ConfigurationFile {
  static let standardPath = "/etc/guise/guise.toml"

  let path: String
  /// In the order of the file.
  let tunnels: [TunnelPlan]

  /// All that is wrong with a file, each with the line that it stands on.
  struct Unusable: Error, CustomStringConvertible {
    let path: String
    let faults: [Fault]

    struct Fault: Equatable {
      /// nil where it is of the file as a whole.
      let line: Int?
      let text: String
    }

    var description: String {
      faults.map { fault in "\(path):\(fault.line.map { "\($0):" } ?? "") \(fault.text)" }
        .joined(separator: "\n")
    }
  }

  init(path: String) throws(Unusable) {
    let bytes: [UInt8]
    do {
      bytes = try TextFile.read(path)
    } catch {
      throw Unusable(path: path, faults: [Unusable.Fault(line: nil, text: "cannot be read: \(error.text)")])
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Unusable(path: path, faults: [Unusable.Fault(line: nil, text: "is not UTF-8 text")])
    }
    try self.init(text: text, path: path)
  }

  init(text: String, path: String) throws(Unusable) {
    var reader = ConfigurationReader()
    do {
      reader.read(try TOMLNode.document(text))
    } catch {
      reader.complain(error.line, "this is not TOML: \(error.reason)")
    }
    guard reader.faults.isEmpty else {
      throw Unusable(path: path, faults: reader.faults.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
    }
    self.path = path
    tunnels = reader.tunnels
  }
}
