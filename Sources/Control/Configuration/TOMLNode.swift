internal import CTomlPlusPlus

/// A value of a TOML document (https://toml.io/en/v1.0.0), and the line that it stands on.
///
/// toml++ reads it. TOMLKit, which wraps the same library, keeps no positions but those of syntax errors.
package struct TOMLNode: Equatable, Sendable {
  package indirect enum Value: Equatable, Sendable {
    /// In the order of the document.
    case table([TOMLNode])
    case array([TOMLNode])
    case string(String)
    case integer(String)
    case boolean(Bool)
    /// A number with a fraction, a date or a time, as it would be written.
    case other(String)
  }

  /// Empty for an element of an array.
  package let key: String
  package fileprivate(set) var value: Value
  package let line: Int
  fileprivate let column: Int

  /// Where the text stops being TOML, and why.
  package struct Malformed: Error, Equatable {
    package let line: Int
    package let reason: String
  }

  /// What the document holds.
  package static func document(_ text: String) throws(Malformed) -> [TOMLNode] {
    let builder = Builder()
    var error = guise_toml_error()
    let bytes = Array(text.utf8)
    let isTOML = unsafe bytes.withUnsafeBytes { bytes in
      let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      return unsafe guise_toml_read(
        start, bytes.count,
        { receiver, node in
          // Safety: the builder is alive for as long as the call; the node until this returns.
          let builder = unsafe Unmanaged<Builder>.fromOpaque(receiver!).takeUnretainedValue()
          unsafe builder.add(node!.pointee)
        }, Unmanaged.passUnretained(builder).toOpaque(), &error)
    }
    guard isTOML else {
      let reason = unsafe withUnsafeBytes(of: error.message) { message in
        unsafe String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw Malformed(line: Int(error.line), reason: reason)
    }
    return withExtendedLifetime(builder) { builder.finish() }
  }

  /// Puts nodes that come one by one, each with its depth, into those around them.
  private final class Builder {
    private var open: [TOMLNode] = []
    private var document: [TOMLNode] = []

    func add(_ node: guise_toml_node) {
      close(to: unsafe Int(node.depth))
      let text = unsafe Self.text(node.text, node.text_length)
      let value: Value =
        switch unsafe node.kind {
        case GUISE_TOML_TABLE: .table([])
        case GUISE_TOML_ARRAY: .array([])
        case GUISE_TOML_STRING: .string(text)
        case GUISE_TOML_INTEGER: .integer(text)
        case GUISE_TOML_BOOLEAN: .boolean(text == "true")
        default: .other(text)
        }
      let node = unsafe TOMLNode(
        key: Self.text(node.key, node.key_length), value: value, line: Int(node.line),
        column: Int(node.column))
      open.append(node)
    }

    func finish() -> [TOMLNode] {
      close(to: 0)
      return Self.inOrder(document)
    }

    private func close(to depth: Int) {
      while open.count > depth {
        let node = open.removeLast()
        guard let last = open.indices.last else {
          document.append(node)
          return
        }
        switch open[last].value {
        case .table(let nodes): open[last].value = .table(Self.inOrder(nodes + [node]))
        case .array(let nodes): open[last].value = .array(nodes + [node])
        default: preconditionFailure("only tables and arrays hold others")
        }
      }
    }

    private static func inOrder(_ nodes: [TOMLNode]) -> [TOMLNode] {
      nodes.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ length: Int) -> String {
      let bytes = unsafe UnsafeRawBufferPointer(start: start, count: length)
      return unsafe String(decoding: bytes, as: UTF8.self)
    }
  }
}
