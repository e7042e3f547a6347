internal import ArgumentParser
internal import Glibc
internal import Telemetry

/// `guise top`.
struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "Shows tunnels, workers, drops and flows live in the terminal.",
    discussion: """
      All tunnels of this host that this user may look at, or one, with the busiest flows first:

        guise top
        guise top guise0 --sort silent --interval 5

      q ends it, s sorts flows by something else. "In" and "out" are from and to the UDP side; bars are the last two \
      minutes. A tunnel that ends is shown as ended for five minutes, and as before when it is back. With --once, or \
      where standard output is no terminal, it looks twice, --interval apart, prints that as plain text, and ends. \
      NO_COLOR in the environment switches colours off.
      """)

  @OptionGroup var choice: TunnelChoice

  @Option(help: ArgumentHelp("From one look to the next.", valueName: "seconds"))
  var interval = 1.0

  @Option(help: "Which flows come first.")
  var sort = FlowOrder.rate

  @Flag(help: "Print one picture as plain text, and end.")
  var once = false

  private static let intervalRange = 0.2...3_600

  mutating func validate() throws {
    guard Self.intervalRange.contains(interval) else {
      throw ValidationError("--interval \(interval) is out of bounds: use 0.2 to 3600 seconds")
    }
  }

  mutating func run() throws {
    // Says what is the matter where nothing runs.
    _ = try choice.clients()
    var watch = HostWatch(choice)
    watch.look()
    if let reason = watch.refusal { throw CommandRefusal(description: reason) }
    let terminal = TerminalKind()
    if once || !terminal.canBeDrawnOn { printOnce(watch, terminal) } else { try draw(watch, terminal) }
  }

  private func printOnce(_ watch: HostWatch, _ terminal: TerminalKind) {
    var watch = watch
    usleep(UInt32(interval * 1e6))
    watch.look()
    let paper = TopFrame.Paper(columns: terminal.plainColumns, rows: nil, isUnicode: terminal.isUnicode)
    let frame = TopFrame(watch.processes, order: sort, now: HostWatch.now, on: paper)
    print(frame.lines.map(\.plain).joined(separator: "\n"))
  }

  private func draw(_ watch: HostWatch, _ terminal: TerminalKind) throws {
    var events = try TerminalEvents()
    let latest = try WatchThread(watch, interval: interval, events.announcer)
    var order = sort
    let screen = Screen()
    while true {
      let size = screen.size
      let frame = TopFrame(
        latest.processes, order: order, now: HostWatch.now, hint: "q quits, s sorts",
        on: .init(columns: size.columns, rows: size.rows, isUnicode: terminal.isUnicode))
      let lines = frame.lines.map { $0.rendered(columns: size.columns, isColoured: terminal.isColoured) }
      guard screen.show(lines) else { return }
      switch events.next() {
      case .end, .key("q"), .key("Q"): return
      case .key("s"): order = order.next
      case .suspend: screen.suspend()
      case .key, .redraw: break
      }
    }
  }
}
