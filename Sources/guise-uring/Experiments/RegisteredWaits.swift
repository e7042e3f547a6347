/// What it costs to tell the kernel how long to wait.
enum RegisteredWaits: Experiment {
  static let name = "registered-waits"
  static let question = "a wait's time limit as an argument against one in a registered region"
  static let decision = "0010-registered-waits.md"

  static func run(_ bench: Bench) throws {
    func entries(nanoseconds: Int, isExpected: Bool) -> [Bench.Entry] {
      [
        ("EXT_ARG", { try Waiter(.argument, nanoseconds: nanoseconds, isExpected: isExpected) }),
        ("EXT_ARG_REG", { try Waiter(.registered, nanoseconds: nanoseconds, isExpected: isExpected) }),
      ]
    }
    try bench.compare(
      "a completion is there at once", per: "call",
      entries(nanoseconds: 1_000_000, isExpected: false) + [
        ("no limit", { try Waiter(.none, nanoseconds: 0, isExpected: false) })
      ])
    try bench.compare(
      "20 us pass without one", per: "call", fraction: 8, entries(nanoseconds: 20_000, isExpected: true))
  }
}
