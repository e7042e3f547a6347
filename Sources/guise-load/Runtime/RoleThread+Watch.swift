extension RoleThread {
  /// Waits for the end, passes SIGINT and SIGTERM on as a stop, and shows progress meanwhile.
  ///
  /// For the main thread, after `StopSignals.block()`.
  func watch(_ state: RunState, verb: String, quiet: Bool) throws(LoadFailure) -> Value {
    var progress = ProgressLine(verb: verb, quiet: quiet)
    while !isFinished {
      if StopSignals.wait(milliseconds: 200) { state.stop() }
      progress.update(state)
    }
    progress.clear()
    return try join()
  }
}
