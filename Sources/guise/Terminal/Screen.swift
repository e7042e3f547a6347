internal import Control
internal import Glibc

/// The terminal's second screen, with neither cursor nor echo, until the value goes: then it is as before.
///
/// Escape sequences are xterm's, which every terminal of today knows (console_codes(4), "XTerm Control Sequences").
struct Screen: ~Copyable {
  /// How the keyboard was set; nil where standard input is no terminal.
  private let keyboard: termios?

  private static let enter = "\u{1b}[?1049h\u{1b}[?25l"
  private static let leave = "\u{1b}[?25h\u{1b}[?1049l"

  init() {
    var settings = termios()
    keyboard = unsafe tcgetattr(STDIN_FILENO, &settings) == 0 ? settings : nil
    take()
  }

  deinit { giveBack() }

  /// Keys come one by one and unseen. Ctrl-C and the like remain signals.
  private func take() {
    if var settings = keyboard {
      settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
      unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }
    _ = Self.write(Self.enter)
  }

  private func giveBack() {
    _ = Self.write(Self.leave)
    if var settings = keyboard { unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) }
  }

  /// Stops the process as Ctrl-Z does, and goes on when somebody continues it.
  func suspend() {
    giveBack()
    kill(getpid(), SIGSTOP)
    take()
  }

  /// How large it is now (ioctl_tty(2)).
  var size: (columns: Int, rows: Int) {
    // Laid out as `struct winsize`, of which Swift has two.
    var size: (rows: UInt16, columns: UInt16, width: UInt16, height: UInt16) = (0, 0, 0, 0)
    guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.columns > 0, size.rows > 0 else {
      return (80, 24)
    }
    return (Int(size.columns), Int(size.rows))
  }

  /// Puts lines in the place of all that is there; false when nobody is there to see it any more.
  ///
  /// What was there is cleared in front of each line: behind one that fills its row the cursor is still on it.
  func show(_ lines: [String]) -> Bool {
    let upper = lines.dropLast().map { "\u{1b}[2K\($0)\r\n" }.joined()
    return Self.write("\u{1b}[H\(upper)\u{1b}[0J\(lines.last ?? "")")
  }

  private static func write(_ text: String) -> Bool {
    (try? TextFile.write(Array(text.utf8), to: STDOUT_FILENO)) != nil
  }
}
