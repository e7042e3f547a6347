/// What a completion or an event is about, packed into the 64 bits that the kernel carries back: kind,
/// generation, index.
///
/// | 63...56 | 47...32    | 31...0 |
/// | kind    | generation | index  |
package struct Token: Equatable, BitwiseCopyable {
  enum Kind: UInt8 {
    /// Receiving datagrams: index is the flow, or `DatagramArrival.listener`.
    case receive = 1
    /// Reading the TUN queue.
    case read
    /// Write to TUN: index is the train and, in the upper half, how many parts it has.
    case write
    /// sendmsg: the same.
    case send
    /// The wake descriptor.
    case wake
    /// A message from another worker's ring.
    case message
    /// A message to another worker's ring that did not get there: index is the worker.
    case messageFailed
    case cancel
  }

  package let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  @inline(__always)
  init(_ kind: Kind, index: UInt32 = 0, generation: UInt16 = 0) {
    rawValue = UInt64(kind.rawValue) &<< 56 | UInt64(generation) &<< 32 | UInt64(index)
  }

  /// What became of a train.
  @inline(__always)
  init(_ kind: Kind, _ id: TrainID, _ train: Train) {
    self.init(kind, index: UInt32(train.partCount) &<< 16 | UInt32(id), generation: train.generation)
  }

  @inline(__always)
  var train: TrainID { TrainID(truncatingIfNeeded: index) }
  @inline(__always)
  var parts: Int { Int(index &>> 16) }

  @inline(__always)
  var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: rawValue &>> 56)) }
  @inline(__always)
  var generation: UInt16 { UInt16(truncatingIfNeeded: rawValue &>> 32) }
  @inline(__always)
  var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}
