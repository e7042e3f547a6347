/// A train that the kernel refused.
struct TransmitFailure: BitwiseCopyable {
  /// nil once the train had to be finished.
  var train: TrainID?
  var direction: Direction
  var errno: Int32
  var parts: Int
}
