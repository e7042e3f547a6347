import LoadModel
import Testing

@Suite("What datagrams carry")
struct DatagramContentTests {
  private let content = DatagramContent()

  private func head(length: Int, flow: UInt16 = 3, sequence: UInt64 = 77) -> DatagramHead {
    DatagramHead(
      run: 0xdead_beef, flow: flow, length: UInt16(length), sequence: sequence, departure: 0x1234_5678_9abc)
  }

  @Test("Every size is verified as what was written", arguments: [Verification.full, .head, .none])
  func everySize(verification: Verification) {
    for size in Array(0...1500) + [8_972, 65_507] {
      let written = head(length: size)
      let bytes = content.bytes(written)
      #expect(bytes.count == size)
      let numbered = size >= DatagramHead.byteCount && verification != .none
      #expect(content.verify(bytes, verification) == (numbered ? .numbered(written) : .anonymous))
    }
  }

  @Test("A number that no sender comes to is nobody's")
  func impossibleSequence() {
    for sequence in [1 << 44, DatagramHead.openingSequence - 1, DatagramHead.openingSequence + 1, .max] {
      #expect(content.verify(content.bytes(head(length: 100, sequence: sequence)), .full) == .corrupt)
    }
    let last = head(length: 100, sequence: 1 << 44 - 1)
    #expect(content.verify(content.bytes(last), .full) == .numbered(last))
  }

  @Test("Any flipped bit is noticed", arguments: [2, 5, 23, 24, 25, 200, 1400])
  func flippedBit(size: Int) {
    let genuine = content.bytes(head(length: size))
    // The departure has no redundancy, and a single byte nothing to compare with.
    let unguarded = size >= DatagramHead.byteCount ? Array(10..<16) : []
    for index in genuine.indices where !unguarded.contains(index) {
      // Without a body, nothing says that run, flow and sequence number are right.
      if size == DatagramHead.byteCount, index >= 4 { continue }
      for bit in 0..<8 {
        var damaged = genuine
        damaged[index] ^= 1 << bit
        let verdict = content.verify(damaged, .full)
        guard verdict != .corrupt else { continue }
        // One slice in 4096 begins at the same place; a body of one byte agrees with one slice in 256.
        #expect(size < 100 || index < DatagramHead.byteCount, "size \(size), byte \(index), bit \(bit)")
      }
    }
  }

  @Test("A cut or extended datagram is corrupt")
  func wrongLength() {
    let genuine = content.bytes(head(length: 500))
    #expect(content.verify(Array(genuine.dropLast()), .head) == .corrupt)
    #expect(content.verify((genuine + [0]), .head) == .corrupt)
    #expect(content.verify(Array(genuine.prefix(10)), .full) == .corrupt)
  }

  @Test("A neighbour's body is not accepted")
  func swappedBody() {
    for sequence in 0..<200 as Range<UInt64> {
      let first = content.bytes(head(length: 300, sequence: sequence))
      let second = content.bytes(head(length: 300, sequence: sequence + 1))
      let mixed = Array(first.prefix(DatagramHead.byteCount) + second.dropFirst(DatagramHead.byteCount))
      #expect(content.verify(mixed, .full) == .corrupt)
      #expect(content.verify(mixed, .head) != .corrupt)
    }
  }

  @Test("The body follows from run, flow and sequence number alone")
  func bodyIgnoresTime() {
    var later = head(length: 300)
    later.departure += 99
    #expect(content.bytes(later).dropFirst(24) == content.bytes(head(length: 300)).dropFirst(24))
    #expect(
      content.bytes(head(length: 300, flow: 4)).dropFirst(24)
        != content.bytes(head(length: 300)).dropFirst(24))
  }

  @Test("Foreign datagrams are corrupt, with and without the body looked at")
  func foreign() {
    var random = RandomSource(seed: 9)
    for size in [24, 25, 64, 1400] {
      let noise = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      #expect(content.verify(noise, .full) == .corrupt)
      #expect(content.verify(noise, .head) == .corrupt)
    }
  }

  @Test("The age of a datagram survives the wrap of its clock")
  func age() {
    let wrap: UInt64 = 1 << 48
    let before = DatagramHead(run: 0, flow: 0, length: 24, sequence: 0, departure: 5 * wrap - 10)
    #expect(before.age(at: 5 * wrap + 30) == 40)
    #expect(before.departure == wrap - 10)
  }

  @Test("The layout on the wire does not change")
  func layout() {
    let written = DatagramHead(
      run: 0x0403_0201, flow: 0x0605, length: 24, sequence: 0x1817_1615_1413_1211, departure: 0x0c0b_0a09_0807
    )
    let expected: [UInt8] = [
      0x67, 0x6c, 24, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 21, 22, 23, 24,
    ]
    #expect(content.bytes(written) == expected)
  }
}
