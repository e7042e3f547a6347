package import Logging

/// Undoes what killed instances left in this network namespace, without starting a gateway.
package enum Cleanup {
  package static func run(_ log: Logger) throws(SetupError) {
    try Privileges.current().check()
    let state: StateDirectory
    do throws(LockedFile.Failure) {
      state = try StateDirectory(namespace: .current())
    } catch {
      throw .stateUnavailable(path: StateDirectory.standardPath)
    }
    try state.withLock {
      Leftovers.undo(state, Sysctl(), log)
      Leftovers.undoUnrecorded(state, log)
    }
  }
}
