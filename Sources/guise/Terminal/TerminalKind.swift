internal import Glibc

/// What standard output is, and what may be written there.
struct TerminalKind {
  /// Whether it is a terminal that can move its cursor.
  let canBeDrawnOn: Bool
  /// Unless the user wants none (no-color.org).
  let isColoured: Bool
  /// Whether its character set has more than ASCII's (locale(7)).
  let isUnicode: Bool
  /// How wide plain text may be: as the user says (`COLUMNS`), or some wide line.
  let plainColumns: Int

  init() {
    canBeDrawnOn = isatty(STDOUT_FILENO) == 1 && !["", "dumb"].contains(Self.variable("TERM"))
    isColoured = Self.variable("NO_COLOR").isEmpty
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(Self.variable).first { !$0.isEmpty } ?? ""
    isUnicode = locale.lowercased().replacing("-", with: "").contains("utf8")
    plainColumns = Int(Self.variable("COLUMNS")).map { max($0, 40) } ?? 160
  }

  private static func variable(_ name: String) -> String {
    unsafe getenv(name).map { unsafe String(cString: $0) } ?? ""
  }
}
