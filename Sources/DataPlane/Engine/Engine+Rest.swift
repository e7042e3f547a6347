internal import CLiburing

extension Engine where Self: ~Copyable {
  /// clock_nanosleep(2); worker threads have asked for a timer slack of one nanosecond.
  func rest(_ nanoseconds: UInt64) { guise_rest(nanoseconds) }
}
