/// What changes workers: packets that the kernel delivered to the wrong queue, and their buffers on the way
/// home. Buffers travel by reference.
///
/// Packets wake whom they are passed to, once a batch. Buffers that come home wake nobody: their owner keeps
/// some that it never lends, so it is never stuck for want of them, and looks for the others in each turn as
/// long as any are away (docs/decisions/0020-handoff-wake-ups.md).
extension Worker where E: ~Copyable {
  /// Passes a packet of so many segments to the worker that owns its flow.
  mutating func handOver(_ arrival: PacketArrival, to owner: Int, parts: Int = 1) {
    guard lentCount < Limits.lentPacketsMax else { return drop(arrival, .handoffFull, parts) }
    let item = Handoff(
      kind: .packet, parts: UInt8(clamping: parts), buffer: arrival.buffer, length: UInt32(arrival.length),
      memory: unsafe UInt(bitPattern: buffers.base(arrival.buffer)))
    let isPassed = switchboard.ring(from: index, to: owner).push(item)
    precondition(isPassed, "the ring holds more than all buffers that can be away (Limits.assertRelations)")
    lentCount += 1
    statistics.add(.handoffs)
    passedTo.insert(owner)
  }

  /// Takes what other workers have passed.
  mutating func takeHandoffs() {
    for worker in 0..<plan.workerCount where worker != index {
      let ring = switchboard.ring(from: worker, to: index)
      while let item = ring.pop() {
        switch item.kind {
        case .homecoming:
          buffers.release(item.buffer)
          lentCount -= 1
        case .packet: takeOver(item, from: worker)
        }
      }
    }
  }

  private mutating func takeOver(_ item: Handoff, from worker: Int) {
    let home = BufferPool.Home(worker: UInt16(worker), buffer: item.buffer)
    // Safety: the memory belongs to the other worker's pool, which outlives every worker's run.
    let memory = unsafe UnsafeMutableRawPointer(bitPattern: item.memory)!
    guard let buffer = unsafe buffers.adopt(memory, home: home) else {
      statistics.add(.segmentsIn, Int(item.parts))
      statistics.drop(.handoffFull, Int(item.parts))
      return sendHome(home)
    }
    process(PacketArrival(buffer: buffer, length: Int(item.length)))
  }

  /// Sends borrowed buffers home and makes what was passed in this turn visible: one wake-up per worker.
  @inline(__always)
  mutating func publishHandoffs() {
    guard plan.workerCount > 1 else { return }
    while let home = buffers.takeHomecoming() { sendHome(home) }
    while let worker = returnedTo.popFirst() { switchboard.ring(from: index, to: worker).publish() }
    while let worker = passedTo.popFirst() {
      switchboard.ring(from: index, to: worker).publish()
      engine.wake(worker)
    }
  }

  private mutating func sendHome(_ home: BufferPool.Home) {
    let item = Handoff(kind: .homecoming, parts: 0, buffer: home.buffer, length: 0, memory: 0)
    let isSent = switchboard.ring(from: index, to: Int(home.worker)).push(item)
    precondition(isSent, "the ring holds more than all buffers that can be away (Limits.assertRelations)")
    returnedTo.insert(Int(home.worker))
  }
}
