import Testing

/// The two cores that tests share. A test that asks for a rate, and counts what is lost at it, has them to itself.
///
/// First come, first served, so that nobody who wants all of it waits for ever.
actor Machine {
  static let shared = Machine()

  private var users = 0
  private var isTaken = false
  private var waiting: [(isAlone: Bool, go: CheckedContinuation<Void, Never>)] = []

  /// Runs `body` beside others, or with nobody beside it.
  nonisolated func use(alone isAlone: Bool, _ body: () async throws -> Void) async rethrows {
    await enter(alone: isAlone)
    do {
      try await body()
    } catch {
      await leave()
      throw error
    }
    await leave()
  }

  private func enter(alone isAlone: Bool) async {
    if waiting.isEmpty, hasRoom(isAlone) {
      admit(isAlone)
    } else {
      await withCheckedContinuation { waiting.append((isAlone, $0)) }
    }
  }

  private func leave() {
    users -= 1
    isTaken = false
    while let next = waiting.first, hasRoom(next.isAlone) {
      waiting.removeFirst()
      admit(next.isAlone)
      next.go.resume()
    }
  }

  private func hasRoom(_ isAlone: Bool) -> Bool { !isTaken && (!isAlone || users == 0) }

  private func admit(_ isAlone: Bool) {
    users += 1
    isTaken = isAlone
  }
}

/// Marks a test, or all of a suite, that must have the machine to itself.
struct AloneTrait: SuiteTrait, TestTrait {
  var isRecursive: Bool { true }
}

extension Trait where Self == AloneTrait {
  /// Nothing else end to end runs meanwhile.
  static var alone: Self { AloneTrait() }
}
