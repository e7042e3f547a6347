/// What an end has last heard of the other.
struct Liveness: BitwiseCopyable {
  /// Whether the other end is one that answers probes.
  enum Witness: UInt8 {
    case unknown
    /// It was asked, and is yet to answer.
    case asked
    /// It did not answer in time, so that its silence proves nothing.
    case mute
    case proven
    /// It answered a process before this one (`FlowRecord`), and is to be asked first of all.
    case resumed
  }

  /// When the last segment came, CLOCK_MONOTONIC nanoseconds.
  var heardAt: UInt64
  /// What it acknowledged; one less with each probe since.
  var heard: SequenceNumber
  /// Probes sent since.
  var unanswered: UInt8 = 0
  var witness = Witness.unknown
  /// Data segments in a row that told us where the other end is, up to `Limits.steadySegments` (Flow+Place.swift).
  var steadiness = Limits.steadySegments

  init(now: UInt64, heard: SequenceNumber = SequenceNumber(0)) {
    heardAt = now
    self.heard = heard
  }
}
