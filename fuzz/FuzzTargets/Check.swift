internal import Glibc

/// Ends the run with a finding: in an optimised build, `precondition` would not say which.
func check(
  _ isTrue: @autoclosure () -> Bool, _ what: @autoclosure () -> String, file: StaticString = #fileID,
  line: UInt = #line
) {
  guard !isTrue() else { return }
  write(standardError: "\(file):\(line): not so: \(what())\n")
  abort()
}

package func fail(_ what: String) -> Never {
  write(standardError: "guise-fuzz: \(what)\n")
  exit(2)
}

private func write(standardError text: String) {
  let bytes = Array(text.utf8)
  _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
}
