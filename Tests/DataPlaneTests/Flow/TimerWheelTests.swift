import Testing

@testable import DataPlane

@Suite struct TimerWheelTests {
  /// Length of a slot, and how far ahead the wheel reaches.
  private static let slot: UInt64 = 1 << 22
  private static let horizon: UInt64 = 4_094 * slot
  private static let start: UInt64 = 12_345 * slot + 999

  private func wheel(capacity: Int = 64) throws -> TimerWheel {
    try TimerWheel(capacity: capacity, now: Self.start)
  }

  /// Everything that has expired, in the order in which it comes out.
  private func expired(_ wheel: inout TimerWheel, _ now: UInt64) -> [UInt32] {
    var found = [UInt32]()
    while let index = wheel.popExpired(now: now) { found.append(index) }
    return found
  }

  @Test(arguments: [0, 1, slot - 1, slot, slot + 1, 1_000_000_000, 15_000_000_000, horizon - slot])
  func `a timer fires after its deadline and at most one slot late`(delay: UInt64) throws {
    var wheel = try wheel()
    let deadline = Self.start + delay
    wheel.set(3, at: deadline)
    let wake = wheel.nextDeadline()
    #expect(wake > deadline && wake <= deadline + Self.slot)
    #expect(expired(&wheel, deadline) == [])
    #expect(expired(&wheel, wake - 1) == [])
    #expect(expired(&wheel, wake) == [3])
    #expect(wheel.count == 0 && wheel.nextDeadline() == .max)
    #expect(expired(&wheel, wake + 100 * Self.horizon) == [])
  }

  @Test(arguments: [0, 1, Self.slot, Self.start - Self.slot, Self.start - 1])
  func `a deadline that has passed fires in the next slot`(deadline: UInt64) throws {
    var wheel = try wheel()
    wheel.set(3, at: deadline)
    #expect(expired(&wheel, Self.start) == [])
    #expect(wheel.nextDeadline() <= Self.start + Self.slot)
    #expect(expired(&wheel, Self.start + Self.slot) == [3])
  }

  @Test(arguments: [60, 180, 86_400] as [UInt64])
  func `a deadline beyond the wheel comes round until it is true`(seconds: UInt64) throws {
    var wheel = try wheel()
    let deadline = Self.start + seconds * 1_000_000_000
    var looks = 0
    wheel.set(5, at: deadline)
    var now = Self.start
    while true {
      now = wheel.nextDeadline()
      #expect(expired(&wheel, now) == [5])
      if now >= deadline { break }
      looks += 1
      wheel.set(5, at: deadline)
    }
    #expect(now <= deadline + Self.slot)
    // About once in 17 s.
    #expect(looks <= Int(seconds / 17) + 1)
  }

  @Test func `setting a timer again moves it, either way`() throws {
    var wheel = try wheel()
    wheel.set(1, at: Self.start + 10 * Self.slot)
    wheel.set(1, at: Self.start + 20 * Self.slot)
    #expect(wheel.count == 1)
    #expect(expired(&wheel, Self.start + 15 * Self.slot) == [])
    wheel.set(1, at: Self.start + 17 * Self.slot)
    #expect(expired(&wheel, Self.start + 18 * Self.slot) == [1])
    #expect(expired(&wheel, Self.start + 30 * Self.slot) == [])
  }

  @Test func `a cancelled timer never fires and its neighbours do`() throws {
    for cancelled in 0..<5 as Range<UInt32> {
      var wheel = try wheel()
      for index in 0..<5 as Range<UInt32> { wheel.set(index, at: Self.start + 3 * Self.slot) }
      wheel.cancel(cancelled)
      wheel.cancel(cancelled)
      wheel.cancel(40)
      #expect(wheel.count == 4)
      #expect(Set(expired(&wheel, Self.start + 5 * Self.slot)) == Set(0..<5).subtracting([cancelled]))
    }
  }

  @Test func `an idle wheel asks for nothing, and a long sleep does not confuse it`() throws {
    var wheel = try wheel()
    #expect(wheel.nextDeadline() == .max)
    let later = Self.start + 3_600_000_000_000
    #expect(expired(&wheel, later) == [])
    wheel.set(2, at: later + Self.slot)
    #expect(wheel.nextDeadline() > later + Self.slot)
    #expect(expired(&wheel, later + 3 * Self.slot) == [2])
  }

  @Test func `a timer set after a sleep that the wheel has not seen is right when it is set once more`()
    throws
  {
    // A worker takes what arrived before it asks for what expired.
    var wheel = try wheel()
    let later = Self.start + 3_600_000_000_000
    let deadline = later + 1_000_000_000
    wheel.set(2, at: deadline)
    var looks = 0
    while let index = wheel.popExpired(now: later) {
      looks += 1
      wheel.set(index, at: deadline)
    }
    #expect(looks <= 2)
    let wake = wheel.nextDeadline()
    #expect(wake > deadline && wake <= deadline + Self.slot)
    #expect(expired(&wheel, wake) == [2])
  }

  @Test func `all timers that a long sleep has passed fire, in one go`() throws {
    var wheel = try wheel(capacity: 600)
    for index in 0..<510 as Range<UInt32> { wheel.set(index, at: Self.start + UInt64(index) * Self.slot) }
    #expect(Set(expired(&wheel, Self.start + 5 * Self.horizon)) == Set(0..<510))
    #expect(wheel.count == 0)
  }

  @Test func `a clock that stands still or goes back fires nothing`() throws {
    var wheel = try wheel()
    wheel.set(1, at: Self.start + 2 * Self.slot)
    #expect(expired(&wheel, Self.start) == [])
    #expect(expired(&wheel, Self.start - 100 * Self.slot) == [])
    #expect(expired(&wheel, Self.start + 4 * Self.slot) == [1])
  }

  /// Against a dictionary, with the discipline of a worker: it wakes at the wheel's deadline or before it.
  @Test(arguments: Seeds.all)
  func `any sequence of setting, moving and cancelling fires like a dictionary`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let capacity: UInt32 = 200
    var wheel = try wheel(capacity: Int(capacity))
    var twin = [UInt32: UInt64]()
    var now = Self.start
    for step in 0..<4_000 {
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let index = UInt32.random(in: 0..<capacity, using: &random)
        if random.oneIn(4) {
          wheel.cancel(index)
          twin[index] = nil
        } else {
          let reach = random.oneIn(10) ? 200_000_000_000 : random.oneIn(2) ? 2_000_000_000 : Self.horizon
          twin[index] = now + .random(in: 0...reach, using: &random)
          wheel.set(index, at: twin[index]!)
        }
      }
      now = min(now + .random(in: 0...500_000_000, using: &random), max(now, wheel.nextDeadline()))
      var fired = Set<UInt32>()
      while let index = wheel.popExpired(now: now) {
        // What is set anew may not fire at once again.
        guard let deadline = twin[index], fired.insert(index).inserted else {
          Issue.record("step \(step): \(index) fired twice or was not set")
          return
        }
        twin[index] = deadline > now ? deadline : nil
        if deadline > now { wheel.set(index, at: deadline) }
      }
      guard wheel.count == twin.count, twin.values.allSatisfy({ $0 + Self.slot >= now }) else {
        Issue.record("step \(step): \(wheel.count) timers, not \(twin.count), or one is late")
        return
      }
    }
  }

  /// The same with timers within the wheel's reach alone: none fires early.
  @Test(arguments: Seeds.all)
  func `within its reach a timer never fires early`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var wheel = try wheel(capacity: 100)
    var twin = [UInt32: UInt64]()
    var now = Self.start
    for step in 0..<4_000 {
      let index = UInt32.random(in: 0..<100, using: &random)
      twin[index] = now + .random(in: 0...(Self.horizon - Self.slot), using: &random)
      wheel.set(index, at: twin[index]!)
      now = min(now + .random(in: 0...1_000_000_000, using: &random), max(now, wheel.nextDeadline()))
      while let fired = wheel.popExpired(now: now) {
        guard let deadline = twin.removeValue(forKey: fired), deadline <= now, now - deadline <= Self.slot
        else {
          Issue.record("step \(step): \(fired) fired early, twice, or late")
          return
        }
      }
    }
  }

  @Test func `an index beyond the capacity traps`() async {
    await #expect(processExitsWith: .failure) {
      var wheel = try TimerWheel(capacity: 4, now: 0)
      wheel.set(4, at: 1)
    }
  }
}
