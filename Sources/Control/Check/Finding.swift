/// What a check found about one thing, in a sentence, with what mends it.
package struct Finding: Codable, Equatable, Sendable {
  package enum Verdict: String, Codable, Sendable {
    case fine
    /// Works, but worse than it could, or only sometimes.
    case warn
    /// Does not work.
    case fail
  }

  package let verdict: Verdict
  package let text: String
  /// A command, or what else is to be done. Whatever is not fine has one.
  package let remedy: String?

  static func fine(_ text: String) -> Finding { Finding(verdict: .fine, text: text, remedy: nil) }

  static func warn(_ text: String, mend remedy: String) -> Finding {
    Finding(verdict: .warn, text: text, remedy: remedy)
  }

  static func fail(_ text: String, mend remedy: String) -> Finding {
    Finding(verdict: .fail, text: text, remedy: remedy)
  }

  /// What set-up would fail with. Its text says what to do, behind the first colon.
  static func fail(_ error: SetupError) -> Finding {
    let text = "\(error)"
    guard let colon = text.firstRange(of: ": ") else { return .fail(text, mend: text) }
    return .fail(String(text[..<colon.lowerBound]), mend: String(text[colon.upperBound...]))
  }
}
