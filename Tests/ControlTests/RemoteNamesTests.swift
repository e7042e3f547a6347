import DataPlane
import Foundation
import Synchronization
import Testing

@testable import Control

/// Names of servers whose addresses change.
@Suite struct RemoteNamesTests {
  private static let old = Address("192.0.2.1")!
  private static let new = Address("192.0.2.2")!
  private static let named = HostPort(.name("server.example"), port: 4567)

  /// Answers that change, and how often there was a question.
  private final class Directory: Sendable {
    private let state = Mutex((answers: [Address](), count: 0))

    func set(_ answers: [Address]) { state.withLock { $0.answers = answers } }
    var count: Int { state.withLock { $0.count } }

    func addresses() -> [Address] {
      state.withLock {
        $0.count += 1
        return $0.answers
      }
    }
  }

  private func names(_ directory: Directory, _ targets: [HostPort] = [named]) -> RemoteNames {
    RemoteNames(
      targets, known: targets.map { Endpoint(Self.old, port: $0.port) }, families: [.ipv4],
      lookUp: { _, _ in directory.addresses() })
  }

  /// Has the names looked up and waits until that is done.
  private func refresh(_ names: RemoteNames, _ directory: Directory, at now: ContinuousClock.Instant) throws {
    let before = directory.count
    try #require(names.refresh(now: now))
    try #require(Patience.wait(milliseconds: 5_000) { directory.count > before })
  }

  private func change(_ names: RemoteNames) -> [Endpoint]? {
    var change: [Endpoint]?
    Patience.wait {
      change = names.takeChange()
      return change != nil
    }
    return change
  }

  @Test func aNewAddressIsTakenOnce() throws {
    let directory = Directory()
    let names = names(directory)
    directory.set([Self.new])
    try refresh(names, directory, at: .now)
    #expect(change(names) == [Endpoint(Self.new, port: 4567)])
    #expect(names.takeChange() == nil)
  }

  @Test func anAddressThatTheNameStillHasIsKeptAndOneThatCannotBeFoundToo() throws {
    let directory = Directory()
    let names = names(directory)
    let now = ContinuousClock.now
    for (number, answers) in [[Self.new, Self.old], [], [Self.old]].enumerated() {
      directory.set(answers)
      try refresh(names, directory, at: now + RemoteNames.interval * number)
    }
    usleep(50_000)
    #expect(names.takeChange() == nil)
  }

  @Test func lookUpsKeepTheirDistanceAndNumbersNeedNone() throws {
    let directory = Directory()
    let names = names(directory)
    let now = ContinuousClock.now
    try refresh(names, directory, at: now)
    #expect(!names.refresh(now: now + RemoteNames.interval - .milliseconds(1)))
    #expect(names.refresh(now: now + RemoteNames.interval))
    let numbers = self.names(directory, [HostPort(.address(Self.old), port: 1)])
    #expect(!numbers.refresh(now: now))
  }

  @Test func aLateAnswerDoesNotReplaceAYoungerOne() throws {
    let gates = (0..<2).map { _ in DispatchSemaphore(value: 0) }
    let count = Mutex(0)
    let names = RemoteNames(
      [Self.named], known: [Endpoint(Address("192.0.2.9")!, port: 4567)], families: [.ipv4],
      lookUp: { _, _ in
        let number = count.withLock { count in
          count += 1
          return count - 1
        }
        gates[number].wait()
        return [number == 0 ? Self.old : Self.new]
      })
    let now = ContinuousClock.now
    #expect(names.refresh(now: now))
    try #require(Patience.wait { count.withLock { $0 } == 1 })
    #expect(names.refresh(now: now + .seconds(1)))
    gates[1].signal()
    #expect(change(names) == [Endpoint(Self.new, port: 4567)])
    gates[0].signal()
    usleep(50_000)
    #expect(names.takeChange() == nil)
  }
}
