/// Index of a train in its worker's pool.
typealias TrainID = UInt16

/// A GSO batch under way: segments of one flow towards TUN, or datagrams of one flow towards UDP.
///
/// Both kernels' rule is the same: all parts have the same length but the last, which may be shorter.
struct Train: BitwiseCopyable, Equatable {
  var flow: UInt32 = 0
  /// Tells this train's completions from those of the one that had the slot before.
  var generation: UInt16 = 0
  /// Tells its flow from the one that has the slot now.
  var flowGeneration: UInt16 = 0
  /// Uplink: the sequence number of the first byte.
  var sequence = SequenceNumber(0)
  /// Bytes of each part, as the first one set it.
  var partSize = 0
  var partCount = 0
  var byteCount = 0
  /// Stretches of memory gathered.
  var pieceCount = 0
  /// A shorter part came: nothing may follow.
  var isEnded = false
  /// Whether the headers fit into the room in front of the first piece.
  var hasHeadroom = false

  /// How many of `length` bytes, cut into parts of `size`, may join in whole parts; 0 when none may.
  ///
  /// A stretch of one part has `size == length`.
  @inline(__always)
  func room(for length: Int, size: Int, partsMax: Int) -> Int {
    // The first part always fits: what is too large for the kernel is refused by the kernel.
    if partCount == 0 { return min(length, max(size, Self.bytes(of: size, partsMax: partsMax, used: 0))) }
    guard !isEnded, pieceCount < Limits.trainSegmentsMax, partCount < partsMax else { return 0 }
    if size == partSize {
      return min(length, Self.bytes(of: size, partsMax: partsMax &- partCount, used: byteCount))
    }
    // One shorter part may close the train.
    guard length == size, size < partSize, byteCount &+ length <= Limits.trainBytesMax else { return 0 }
    return length
  }

  /// Takes note of `length` bytes that `room` has granted.
  @inline(__always)
  mutating func note(_ length: Int, size: Int) {
    if partCount == 0 { partSize = size }
    byteCount &+= length
    pieceCount &+= 1
    if length <= partSize {
      partCount &+= 1
      isEnded = length < partSize
    } else {
      let whole = length / partSize
      let rest = length &- whole &* partSize
      partCount &+= whole &+ (rest > 0 ? 1 : 0)
      isEnded = rest > 0
    }
  }

  /// Bytes of whole parts that fit under the byte and part limits.
  @inline(__always)
  private static func bytes(of size: Int, partsMax: Int, used: Int) -> Int {
    let free = Limits.trainBytesMax &- used
    if size &* partsMax <= free { return size &* partsMax }
    return free / size &* size
  }
}
