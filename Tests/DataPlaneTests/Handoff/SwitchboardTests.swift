import Glibc
import Testing

@testable import DataPlane

@Suite struct SwitchboardTests {
  private func item(_ number: Int) -> Handoff {
    Handoff(kind: .packet, parts: 1, buffer: 0, length: UInt32(number), memory: 0)
  }

  @Test func `each ordered pair of workers has a ring of its own`() throws {
    let count = 5
    let board = try Switchboard(workerCount: count)
    defer { board.deallocate() }
    for from in 0..<count {
      for to in 0..<count where to != from {
        #expect(board.ring(from: from, to: to).push(item(from * 10 + to)))
        board.ring(from: from, to: to).publish()
      }
    }
    for from in 0..<count {
      for to in 0..<count where to != from {
        #expect(board.ring(from: from, to: to).pop()?.length == UInt32(from * 10 + to))
        #expect(board.ring(from: from, to: to).pop() == nil)
      }
    }
  }

  @Test func `waking a worker makes its descriptor readable and nobody else's`() throws {
    let board = try Switchboard(workerCount: 3)
    defer { board.deallocate() }
    board.wake(1)
    board.wake(1)
    let readable = (0..<3).map { worker in
      var descriptor = pollfd(fd: board.wakeDescriptor(of: worker), events: Int16(POLLIN), revents: 0)
      return unsafe poll(&descriptor, 1, 0) == 1
    }
    #expect(readable == [false, true, false])
  }

  @Test func `a ring holds all buffers that a worker can have lent`() throws {
    let board = try Switchboard(workerCount: 2)
    defer { board.deallocate() }
    let ring = board.ring(from: 0, to: 1)
    // Its own packets on the way there, and the other's on the way home.
    for number in 0..<2 * Limits.packetBufferCount { #expect(ring.push(item(number))) }
  }

  @Test func `a ring from a worker to itself traps`() async {
    await #expect(processExitsWith: .failure) {
      let board = try Switchboard(workerCount: 2)
      _ = board.ring(from: 1, to: 1)
    }
  }
}
