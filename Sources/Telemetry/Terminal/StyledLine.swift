/// A line for a terminal: pieces of text, each with what it means to the eye.
package struct StyledLine: Sendable, Equatable, ExpressibleByStringLiteral {
  package enum Style: Sendable, Equatable {
    case plain
    case strong
    case faint
    case warning
    case alarm

    /// Select Graphic Rendition (ECMA-48 §8.3.117).
    fileprivate var code: String? {
      switch self {
      case .plain: nil
      case .strong: "1"
      case .faint: "2"
      case .warning: "33"
      case .alarm: "1;31"
      }
    }
  }

  private var pieces: [(text: String, style: Style)] = []

  package init(_ text: String, _ style: Style = .plain) { add(text, style) }
  package init(stringLiteral text: String) { self.init(text) }

  package mutating func add(_ text: String, _ style: Style = .plain) {
    pieces.append((text.printable, style))
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.pieces.elementsEqual(b.pieces) { $0.text == $1.text && $0.style == $1.style }
  }

  /// Without styles.
  package var plain: String { pieces.map(\.text).joined() }

  /// What of it fits so many columns: each character takes one, since names and figures have no wide ones.
  package func rendered(columns: Int, isColoured: Bool) -> String {
    var left = columns
    var result = ""
    for (text, style) in pieces where left > 0 {
      let part = text.prefix(left)
      left -= part.count
      if isColoured, let code = style.code {
        result += "\u{1b}[\(code)m\(part)\u{1b}[0m"
      } else {
        result += part
      }
    }
    return result
  }
}
