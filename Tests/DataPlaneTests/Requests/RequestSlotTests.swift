import Glibc
import Testing

@testable import DataPlane

/// One request at a time goes to a worker, and its answer comes back whole.
@Suite struct RequestSlotTests {
  private func summary(_ port: UInt16) -> FlowSummary {
    FlowSummary(
      worker: 0, state: .established, remote: Endpoint(.unspecified, port: 1), localPort: port,
      peer: Endpoint(.unspecified, port: 2), ageNanoseconds: 0, silentNanoseconds: 0, sent: 0, received: 0,
      handshakeMicroseconds: 0, probeMicroseconds: 0, waitingCount: 0, datagramBytesMax: 0)
  }

  @Test func `a request waits for the worker, and the answer for the asker`() throws {
    let slot = RequestSlot()
    defer { slot.deallocate() }
    #expect(slot.takeRequest() == nil && slot.takeAnswer() == nil)
    #expect(slot.ask(WorkerRequest(verb: .list, from: 7)))
    #expect(slot.takeAnswer() == nil, "the worker has not looked yet")
    let request = try #require(slot.takeRequest())
    #expect(request.verb == .list && request.from == 7)
    slot.write(summary(1_000), at: 0)
    slot.write(summary(1_001), at: 1)
    slot.reply(RequestSlot.Answer(count: 2))
    #expect(slot.takeRequest() == nil, "it is answered once")
    let (answer, flows) = try #require(slot.takeAnswer())
    #expect(answer.count == 2 && answer.next == nil && flows.map(\.localPort) == [1_000, 1_001])
    #expect(slot.takeAnswer() == nil)
  }

  @Test func `nobody asks anything else while a worker may be reading`() {
    let slot = RequestSlot()
    defer { slot.deallocate() }
    #expect(slot.ask(WorkerRequest(verb: .close)))
    #expect(!slot.ask(WorkerRequest(verb: .reconnect)))
    #expect(slot.takeRequest()?.verb == .close)
  }

  @Test func `what an asker gave up waiting for does not answer the next one`() throws {
    let slot = RequestSlot()
    defer { slot.deallocate() }
    _ = slot.ask(WorkerRequest(verb: .list))
    slot.write(summary(1_000), at: 0)
    slot.reply(RequestSlot.Answer(count: 1))
    #expect(slot.ask(WorkerRequest(verb: .close)))
    #expect(slot.takeAnswer() == nil)
    slot.reply(RequestSlot.Answer(count: 5))
    let (answer, flows) = try #require(slot.takeAnswer())
    #expect(answer.count == 5 && flows.isEmpty, "flows that are closed are not listed")
  }

  @Test func `answers are those to the requests, on two threads`() throws {
    let slot = RequestSlot()
    defer { slot.deallocate() }
    let count: UInt32 = 2_000
    let worker = try WorkerThread(named: "worker") { _ in
      var answered: UInt32 = 0
      while answered < count {
        guard let request = slot.takeRequest() else {
          sched_yield()
          continue
        }
        for index in 0...Int(request.from % 3) { slot.write(summary(UInt16(request.from)), at: index) }
        slot.reply(RequestSlot.Answer(count: request.from % 3 + 1))
        answered += 1
      }
    }
    for number in 0..<count {
      while !slot.ask(WorkerRequest(verb: .list, from: number)) { sched_yield() }
      var answer = slot.takeAnswer()
      while answer == nil {
        sched_yield()
        answer = slot.takeAnswer()
      }
      let flows = try #require(answer).1
      #expect(flows.map(\.localPort) == Array(repeating: UInt16(number), count: Int(number % 3) + 1))
    }
    worker.join()
  }
}
