import Testing

@testable import DataPlane

/// One arrival: `length` bytes that are datagrams of `size` each, the last of which may be shorter.
private struct Arrival {
  var length: Int
  var size: Int
  var parts: [Int] { stride(from: 0, to: length, by: size).map { min(size, length - $0) } }
}

/// A train as it was closed, and the stretches that were granted to it.
private struct ClosedTrain {
  var train: Train
  var stretches: [Arrival]
  var parts: [Int] { stretches.flatMap(\.parts) }
}

/// Asks for room and takes note as a worker does, over any number of arrivals.
private func gather(_ arrivals: [Arrival], partsMax: Int) -> [ClosedTrain] {
  var closed = [ClosedTrain]()
  var open: ClosedTrain?
  for arrival in arrivals {
    var taken = 0
    while taken < arrival.length {
      let rest = arrival.length - taken
      let size = min(arrival.size, rest)
      var current = open ?? ClosedTrain(train: Train(), stretches: [])
      let stretch = current.train.room(for: rest, size: size, partsMax: partsMax)
      precondition(stretch >= 0 && stretch <= rest)
      guard stretch > 0 else {
        precondition(open != nil, "an empty train has no room for \(rest) bytes of \(size)")
        closed.append(current)
        open = nil
        continue
      }
      current.train.note(stretch, size: size)
      current.stretches.append(Arrival(length: stretch, size: size))
      open = current
      taken += stretch
    }
  }
  return closed + (open.map { [$0] } ?? [])
}

/// What is wrong with a train, by the kernel's rule for UDP_SEGMENT and TSO; nil when nothing is.
private func complaint(_ closed: ClosedTrain, partsMax: Int) -> String? {
  let (train, parts) = (closed.train, closed.parts)
  guard let first = parts.first, let last = parts.last else { return "no parts" }
  guard parts.dropLast().allSatisfy({ $0 == first }), last <= first else { return "unequal parts" }
  guard parts.count <= partsMax, parts.count <= Limits.trainSegmentsMax else { return "\(parts.count) parts" }
  let total = parts.reduce(0, +)
  guard total <= Limits.trainBytesMax || parts.count == 1 else { return "\(total) bytes" }
  guard closed.stretches.count <= Limits.trainSegmentsMax else {
    return "\(closed.stretches.count) stretches"
  }
  // What the train says of itself is what the kernel is told.
  guard train.partSize == first, train.partCount == parts.count, train.byteCount == total,
    train.pieceCount == closed.stretches.count, train.isEnded == (last < first)
  else { return "the account is wrong: \(train)" }
  return nil
}

@Suite struct TrainTests {
  @Test func `datagrams of one length join until the train is full`() {
    let trains = gather([Arrival](repeating: Arrival(length: 1_400, size: 1_400), count: 100), partsMax: 64)
    // 46 * 1400 = 64 400: one more is too many bytes.
    #expect(trains.map(\.train.partCount) == [46, 46, 8])
    let small = gather([Arrival](repeating: Arrival(length: 200, size: 200), count: 100), partsMax: 64)
    #expect(small.map(\.train.partCount) == [64, 36])
  }

  @Test func `a shorter datagram joins as the last one and ends the train`() {
    let trains = gather(
      [1_000, 1_000, 999, 1_000, 1].map { Arrival(length: $0, size: $0) }, partsMax: 64)
    #expect(trains.map(\.parts) == [[1_000, 1_000, 999], [1_000, 1]])
    #expect(trains.map(\.train.isEnded) == [true, true])
  }

  @Test func `a longer datagram begins a new train`() {
    let trains = gather([500, 501, 501].map { Arrival(length: $0, size: $0) }, partsMax: 64)
    #expect(trains.map(\.parts) == [[500], [501, 501]])
  }

  @Test func `a train that came in one piece goes on in one piece`() {
    let trains = gather([Arrival(length: 60_000, size: 1_400)], partsMax: 64)
    #expect(trains.count == 1 && trains[0].stretches.count == 1)
    #expect(trains[0].train.partCount == 43 && trains[0].train.isEnded)
  }

  @Test func `an arrival with more parts than a train takes is cut between parts`() {
    let trains = gather([Arrival(length: 1_001, size: 10)], partsMax: 64)
    #expect(trains.map(\.train.partCount) == [64, 37])
    #expect(trains.map(\.train.byteCount) == [640, 361])
  }

  @Test func `without segmentation every part is a train`() {
    let trains = gather([Arrival(length: 3_500, size: 1_000), Arrival(length: 7, size: 7)], partsMax: 1)
    #expect(trains.map(\.parts) == [[1_000], [1_000], [1_000], [500], [7]])
  }

  @Test(arguments: [65_495, 65_496, 65_507, 65_535])
  func `a part that is larger than any train is let through alone`(length: Int) {
    let trains = gather(
      [Arrival(length: length, size: length), Arrival(length: 1, size: 1)], partsMax: 64)
    #expect(trains.first?.parts == (length == 65_495 ? [65_495] : [length]))
    #expect(trains.flatMap(\.parts) == [length, 1])
  }

  @Test func `segmentation that is switched off closes the open train`() {
    var train = Train()
    train.note(1_000, size: 1_000)
    train.note(1_000, size: 1_000)
    #expect(train.room(for: 1_000, size: 1_000, partsMax: 64) == 1_000)
    #expect(train.room(for: 1_000, size: 1_000, partsMax: 2) == 0)
    #expect(train.room(for: 1_000, size: 1_000, partsMax: 1) == 0)
  }

  @Test func `a full super-packet is no longer than an IP packet may be`() {
    #expect(Limits.trainBytesMax + IPv4Header.length + TCPHeader.length == 65_535)
    // IPv6's length field does not count its own header.
    #expect(Limits.trainBytesMax + TCPHeader.length <= 65_535)
  }

  /// Sizes as they come in practice and at the edges.
  private func arrival(_ random: inout SeededRandom) -> Arrival {
    let sizes = [1, 2, 63, 64, 200, 1_023, 1_024, 1_399, 1_400, 1_460, 8_960, 32_747, 32_748, 65_495, 65_507]
    let size =
      random.oneIn(3) ? Int.random(in: 1...65_507, using: &random) : sizes.randomElement(using: &random)!
    let partsMax = max(1, min(70, 65_507 / size))
    let whole = size * (random.oneIn(2) ? 1 : Int.random(in: 1...partsMax, using: &random))
    let last = random.oneIn(3) ? Int.random(in: 1...size, using: &random) : size
    return Arrival(length: whole - size + last, size: whole == size ? last : size)
  }

  @Test(arguments: [1, 2, 63, 64], Seeds.all)
  func `however datagrams come, every train obeys the rule and none is lost or overtaken`(
    partsMax: Int, seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
      // Runs of one kind, so that trains get long, and changes between them.
      var arrivals = [Arrival]()
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        let one = arrival(&random)
        arrivals += [Arrival](repeating: one, count: Int.random(in: 1...20, using: &random))
      }
      let trains = gather(arrivals, partsMax: partsMax)
      for train in trains {
        guard let complaint = complaint(train, partsMax: partsMax) else { continue }
        Issue.record("\(complaint) in \(train.parts)")
        return
      }
      guard trains.flatMap(\.parts) == arrivals.flatMap(\.parts) else {
        Issue.record("parts were lost, cut or overtaken")
        return
      }
    }
  }

  @Test(arguments: Seeds.all)
  func `a train of single datagrams ends only where the rule makes it`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<50 {
      let lengths = [1_400, 1_400, 1_400, 1_399, 200, Int.random(in: 1...1_460, using: &random)]
      let arrivals = (0..<300).map { _ in
        let length = lengths.randomElement(using: &random)!
        return Arrival(length: length, size: length)
      }
      let trains = gather(arrivals, partsMax: 64)
      for (train, next) in zip(trains, trains.dropFirst()) {
        let first = next.parts[0]
        let couldJoin =
          !train.train.isEnded && first <= train.parts[0] && train.parts.count < 64
          && train.train.byteCount + first <= Limits.trainBytesMax
        guard !couldJoin else {
          Issue.record("\(first) could have joined \(train.parts)")
          return
        }
      }
    }
  }
}
