internal import Glibc

/// How thoroughly a receiver looks at a datagram.
package enum Verification: String, CaseIterable, Sendable {
  /// Head and every byte of the body.
  case full
  /// The head alone: whose, which, and whether it is whole.
  case head
  /// Only the length: nothing is known about loss or order.
  case none
}

/// What a datagram turned out to be.
package enum DatagramVerdict: Equatable, Sendable {
  /// Genuine, with a sequence number.
  case numbered(DatagramHead)
  /// Genuine; it only opened a flow, and is not part of what is measured.
  case opening
  /// Genuine as far as can be told: shorter than a head, or not looked at.
  case anonymous
  /// Not what any sender wrote.
  case corrupt
}

/// What a datagram carries: a head and a slice of the pattern.
///
/// Shorter ones than a head carry the low byte of the sequence number and a slice that follows from it
/// and from the length; an empty one carries nothing.
package struct DatagramContent: Sendable {
  private let pattern = PayloadPattern.shared

  package init() {}

  /// Writes at `target` what precedes the body (`DatagramHead.byteCount` bytes at most) and returns how
  /// many bytes that is, and where the remaining `head.length - count` bytes lie.
  @inline(__always)
  package func lay(_ head: DatagramHead, at target: UnsafeMutableRawPointer)
    -> (headCount: Int, body: UnsafePointer<UInt8>)
  {
    guard head.length >= DatagramHead.byteCount else { return unsafe laySmall(head, at: target) }
    unsafe head.write(to: target)
    return unsafe (DatagramHead.byteCount, pattern.body(of: head))
  }

  private func laySmall(_ head: DatagramHead, at target: UnsafeMutableRawPointer)
    -> (headCount: Int, body: UnsafePointer<UInt8>)
  {
    let tag = UInt8(truncatingIfNeeded: head.sequence)
    unsafe target.storeBytes(of: tag, as: UInt8.self)
    return unsafe (min(1, Int(head.length)), pattern.smallBody(size: Int(head.length), tag: tag))
  }

  /// The whole datagram, for callers that are in no hurry.
  package func bytes(_ head: DatagramHead) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: max(Int(head.length), 1))
    unsafe result.withUnsafeMutableBytes { target in
      guard let base = target.baseAddress else { return }
      let start = UnsafeMutableRawPointer.allocate(byteCount: DatagramHead.byteCount, alignment: 8)
      defer { unsafe start.deallocate() }
      let (count, body) = unsafe lay(head, at: start)
      unsafe base.copyMemory(from: start, byteCount: count)
      unsafe (base + count).copyMemory(from: body, byteCount: Int(head.length) - count)
    }
    return Array(result.prefix(Int(head.length)))
  }

  /// Judges one received datagram.
  @inline(__always)
  package func verify(_ datagram: RawSpan, _ verification: Verification) -> DatagramVerdict {
    if verification == .none { return .anonymous }
    guard datagram.byteCount >= DatagramHead.byteCount else {
      return verification == .head || isGenuineSmall(datagram) ? .anonymous : .corrupt
    }
    guard let head = DatagramHead(datagram), head.isSequencePossible else { return .corrupt }
    let genuine = head.sequence == DatagramHead.openingSequence ? DatagramVerdict.opening : .numbered(head)
    guard verification == .full else { return genuine }
    let same = unsafe datagram.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return false }
      let count = bytes.count - DatagramHead.byteCount
      return unsafe memcmp(base + DatagramHead.byteCount, pattern.body(of: head), count) == 0
    }
    return same ? genuine : .corrupt
  }

  private func isGenuineSmall(_ datagram: RawSpan) -> Bool {
    unsafe datagram.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, bytes.count > 1 else { return true }
      let tag = unsafe base.load(as: UInt8.self)
      return unsafe memcmp(base + 1, pattern.smallBody(size: bytes.count, tag: tag), bytes.count - 1) == 0
    }
  }
}
