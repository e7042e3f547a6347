/// Something awaited that did not come in time.
struct Overdue: Error, CustomStringConvertible {
  let description: String
}

/// Asks every few milliseconds until `answer` is not nil; throws `Overdue` after `limit`.
@discardableResult
func eventually<Answer>(
  _ what: String, within limit: Duration, _ answer: () throws -> Answer?
) async throws -> Answer {
  let deadline = ContinuousClock.now + limit
  while true {
    let late = ContinuousClock.now >= deadline
    if let answer = try answer() { return answer }
    if late { throw Overdue(description: "waited \(limit) in vain for \(what)") }
    try await Task.sleep(for: .milliseconds(3))
  }
}

/// Waits until `condition` holds; throws `Overdue` after `limit`.
func until(_ what: String, within limit: Duration, _ condition: () throws -> Bool) async throws {
  try await eventually(what, within: limit) { try condition() ? true : nil }
}
