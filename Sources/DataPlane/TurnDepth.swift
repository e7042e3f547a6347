/// How much a turn takes, in multiples of the usual.
///
/// Where many flows take turns, a turn holds few datagrams of each, and trains are short. A worker that is behind has
/// more waiting: with four times as many in a turn, trains are as much longer, and each is a trip through the kernel
/// (docs/decisions/0024-turn-depth.md). Where trains are short for another reason, as when lengths differ, that gains
/// nothing and costs the nearer caches: so it is tried, kept if trains grow, and else tried again after a while.
struct TurnDepth: BitwiseCopyable {
  private(set) var factor = 1
  /// Datagrams in 16 trains, before it was tried.
  private var lengthBefore = 0
  /// Whether turns of both kinds are in this window.
  private var isSettling = false
  private var attempts = Attempts()

  /// At the end of a window of so many datagrams and trains. `isBehind`: whether a turn brought so much that more may
  /// have waited.
  mutating func note(datagrams: Int, trains: Int, isBehind: Bool) {
    let length = datagrams &* 16 / max(trains, 1)
    guard factor > 1 else {
      guard isBehind, length < Limits.shortTrain &* 16, attempts.areDue() else { return }
      lengthBefore = length
      factor = Limits.turnDepthMax
      isSettling = true
      return
    }
    if isSettling {
      isSettling = false
      return
    }
    let hasGrown = length &* 2 >= lengthBefore &* 3
    // Long enough to be long in usual turns, too.
    let isNeeded = isBehind && length < Limits.shortTrain &* 16 &* Limits.turnDepthMax
    if hasGrown, isNeeded { return attempts.note(wasWorthIt: true) }
    factor = 1
    if !hasGrown { attempts.note(wasWorthIt: false) }
  }
}
