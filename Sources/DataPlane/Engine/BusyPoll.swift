internal import CLiburing
internal import Glibc

/// The looking of a worker that stays awake for what comes next (docs/decisions/0019-polling.md).
enum BusyPoll {
  /// Gives way to whoever else wants the CPU (sched_yield(2)); false once it is `end`.
  @inline(__always)
  static func goesOn(until end: UInt64) -> Bool {
    sched_yield()
    return guise_now() < end
  }
}
