internal import CLibFuzzer
internal import FuzzTargets
internal import Glibc

/// `guise-fuzz TARGET [libFuzzer's own options and corpora]`; without arguments it lists the targets.
@main
enum EntryPoint {
  static func main() {
    guard CommandLine.argc > 1 else {
      for target in Target.allCases { print(target.rawValue) }
      return
    }
    exit(runDriver())
  }

  /// The one that the first argument names.
  private static let target: Target = {
    let name = CommandLine.arguments[1]
    guard let target = Target(rawValue: name) else {
      let names = Target.allCases.map(\.rawValue).joined(separator: ", ")
      fail("there is no fuzz target '\(name)': choose one of \(names)")
    }
    return target
  }()

  /// libFuzzer gets what follows the target's name.
  private static func runDriver() -> CInt {
    var count = CommandLine.argc - 1
    var arguments = unsafe CommandLine.unsafeArgv + 1
    return unsafe LLVMFuzzerRunDriver(&count, &arguments, run)
  }

  private static let run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt = { data, count in
    unsafe target.run(UnsafeRawBufferPointer(start: data, count: count))
    return 0
  }
}
