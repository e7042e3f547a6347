internal import CLiburing

/// Adds up the time that the measured part of a run takes: wall time, and CPU time of one thread or of the
/// process, its kernel threads (io-wq, SQPOLL) included. Nanoseconds.
struct Stopwatch {
  enum Clock { case thread, process }

  private let clock: Clock
  private(set) var wall: UInt64 = 0
  private(set) var cpu: UInt64 = 0
  private var wallStart: UInt64 = 0
  private var cpuStart: UInt64 = 0

  init(_ clock: Clock) { self.clock = clock }

  mutating func start() {
    wallStart = guise_now()
    cpuStart = cpuTime
  }

  mutating func stop() {
    cpu += cpuTime - cpuStart
    wall += guise_now() - wallStart
  }

  private var cpuTime: UInt64 { clock == .thread ? guise_thread_cpu_time() : guise_process_cpu_time() }
}
