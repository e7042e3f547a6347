import CLiburing
import Glibc
import Testing

@testable import DataPlane

@Suite(.serialized) struct EngineWaitingTests {
  @Test(arguments: EngineKind.allCases)
  func anotherThreadEndsTheWaitOncePerCall(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    for _ in 0..<100 {
      rig.surroundings.wake()
      try rig.turn(until: guise_now() + 1_000_000_000)
      guard case .woken? = rig.nextArrival() else {
        Issue.record("not woken")
        return
      }
      #expect(rig.nextArrival() == nil)
    }
    let deadline = guise_now() + 10_000_000
    #expect(try turns(rig, until: deadline) < 4)
    #expect(rig.now >= deadline)
  }

  @Test(arguments: EngineKind.allCases)
  func aWakeDuringTheWaitEndsIt(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    let descriptor = rig.surroundings.resources.wakeDescriptor
    let thread = try WorkerThread(named: "waker") { _ in
      usleep(20_000)
      _ = guise_eventfd_signal(descriptor)
    }
    let start = guise_now()
    #expect(try turns(rig, until: start + 5_000_000_000) < 4)
    #expect(guise_now() - start < 1_000_000_000)
    thread.join()
  }

  /// How often this thread has gone to sleep. Giving way to others does not count.
  private func sleeps() -> Int {
    var usage = rusage()
    // RUSAGE_THREAD, which Glibc does not import.
    _ = unsafe getrusage(__rusage_who_t(1), &usage)
    return usage.ru_nvcsw
  }

  @Test(arguments: EngineKind.allCases)
  func whatComesWhileATurnPollsIsTakenWithoutASleep(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    let descriptor = rig.surroundings.resources.wakeDescriptor
    for pace in [Pace.prompt, .polling(for: 10_000_000_000)] {
      let thread = try WorkerThread(named: "waker") { _ in
        usleep(20_000)
        _ = guise_eventfd_signal(descriptor)
      }
      let start = guise_now()
      let before = sleeps()
      let count = try turns(rig, pace, until: start + 10_000_000_000)
      #expect(count < 4)
      #expect((sleeps() > before) == (pace == .prompt))
      #expect(rig.now - start < 5_000_000_000)
      if pace != .prompt, count == 1 { #expect((10_000_000...rig.now - start).contains(rig.polled)) }
      thread.join()
    }
  }

  @Test(arguments: EngineKind.allCases)
  func aTurnThatHasPolledInVainSleeps(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    // Longer than a busy machine keeps a thread from its CPU.
    let deadline = guise_now() + 500_000_000
    let before = sleeps()
    #expect(try turns(rig, .polling(for: 1_000_000), until: deadline) < 4)
    #expect(sleeps() > before && rig.now >= deadline)
    try rig.turn(until: 0)
    #expect(rig.polled == 0)
  }

  @Test(arguments: EngineKind.allCases)
  func pollingEndsAtTheDeadline(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    let deadline = guise_now() + 20_000_000
    #expect(try turns(rig, .polling(for: 10_000_000_000), until: deadline) < 4)
    #expect(rig.now >= deadline && rig.now < deadline + 5_000_000_000)
  }

  /// It sleeps on though it is woken, and waits for nothing more.
  @Test(arguments: EngineKind.allCases)
  func aTurnThatLingersTakesWhatHasComeAndWaitsForNoMore(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    for isWoken in [true, false] {
      let start = guise_now()
      if isWoken { _ = guise_eventfd_signal(rig.surroundings.resources.wakeDescriptor) }
      try rig.turn(.lingering(for: 5_000_000), until: start + 10_000_000_000)
      #expect((5_000_000..<5_000_000_000).contains(rig.now - start))
      #expect((rig.nextArrival() != nil) == isWoken)
    }
  }

  @Test(arguments: EngineKind.allCases)
  func anotherWorkerEndsTheWait(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    let switchboard = rig.surroundings.resources.switchboard
    let thread = try WorkerThread(named: "waker") { ready in
      do {
        let peer = try EngineRig.make(kind, .client, switchboard: switchboard)
        usleep(20_000)
        peer.wake(0)
        try peer.turn(until: 0)
        ready(nil)
      } catch {
        ready(error as? KernelError ?? KernelError("\(error)", errno: 0))
      }
    }
    let start = guise_now()
    #expect(try turns(rig, until: start + 5_000_000_000) < 4)
    #expect(guise_now() - start < 1_000_000_000)
    try thread.waitUntilReady()
    thread.join()
  }

  /// A worker that has no ring yet, or none any more, is woken by its eventfd.
  @Test(arguments: [-1, 0])
  func aMessageThatCannotArriveIsMadeGood(descriptor: Int32) throws {
    let rig = try EngineRig.make(.uring, .client)
    let switchboard = rig.surroundings.resources.switchboard
    switchboard.announceRing(descriptor, of: 1)
    rig.wake(1)
    try rig.turn(until: 0)
    #expect(rig.nextArrival() == nil)
    var woken = pollfd(fd: switchboard.wakeDescriptor(of: 1), events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&woken, 1, 0) == 1)
  }

  @Test(arguments: EngineKind.allCases)
  func aWaitLastsUntilItsDeadlineAndHardlyLonger(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.turn(until: 0)
    for nanoseconds: UInt64 in [200_000, 1_300_000, 5_500_000] {
      var best = UInt64.max
      for _ in 0..<20 {
        let deadline = guise_now() + nanoseconds
        #expect(try turns(rig, until: deadline) < 4)
        best = min(best, rig.now - deadline)
      }
      // Milliseconds would show; a busy machine only delays some of the waits.
      #expect(best < 500_000)
    }
  }

  @Test(arguments: EngineKind.allCases)
  func aDeadlineThatHasPassedDoesNotWait(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let start = guise_now()
    for _ in 0..<100 {
      try rig.turn(until: 0)
      #expect(rig.nextArrival() == nil)
    }
    #expect(guise_now() - start < 500_000_000)
    #expect(rig.now >= start)
  }

  /// Turns taken until the deadline or the first arrival. Whatever interrupts the thread may end one early.
  private func turns(
    _ rig: EngineRig, _ pace: Pace = .prompt, until deadline: UInt64
  ) throws -> Int {
    var count = 0
    repeat {
      try rig.turn(pace, until: deadline)
      count += 1
    } while rig.nextArrival() == nil && rig.now < deadline
    return count
  }

  @Test func millisecondsAreRoundedUp() {
    #expect(Poller.milliseconds(0) == 0)
    #expect(Poller.milliseconds(1) == 1)
    #expect(Poller.milliseconds(1_000_000) == 1)
    #expect(Poller.milliseconds(1_000_001) == 2)
    #expect(Poller.milliseconds(.max) == -1)
    #expect(Poller.milliseconds(.max - 1) == .max)
  }
}
