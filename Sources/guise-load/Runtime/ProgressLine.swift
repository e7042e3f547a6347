internal import CLiburing
internal import LoadModel

/// A line on the terminal that is written over twice a second; nothing at all elsewhere.
struct ProgressLine {
  private let verb: String
  private let isShown: Bool
  private var since = guise_now()
  private var datagrams: UInt64 = 0
  private var bytes: UInt64 = 0

  /// `verb` says what is done with the datagrams ("sent").
  init(verb: String, quiet: Bool) {
    self.verb = verb
    isShown = !quiet && StandardStream.error.isTerminal
  }

  mutating func update(_ state: RunState) {
    let now = guise_now()
    guard isShown, now - since >= 500_000_000 else { return }
    let seconds = Double(now - since) / 1e9
    let total = state.datagrams
    let totalBytes = state.bytes
    let bitRate = Figures.rate((totalBytes - bytes) * 8, over: seconds)
    let datagramRate = Figures.rate(total - datagrams, over: seconds)
    StandardStream.error.write(
      """
      \r\u{1b}[K\(verb) \(Figures.grouped(total)) datagrams, \(Figures.bitRate(bitRate)), \
      \(Figures.decimal(datagramRate, places: 0)) datagrams/s
      """)
    since = now
    datagrams = total
    bytes = totalBytes
  }

  func clear() {
    if isShown { StandardStream.error.write("\r\u{1b}[K") }
  }
}
