/// A worker has not answered in time: it hangs, or has ended.
package struct WorkerSilence: Error, Sendable, Equatable {
  package let worker: Int
}
