internal import Telemetry

@testable internal import Control
@testable internal import DataPlane

/// What operators write, and ask over the control socket: each parser takes or refuses any text, and reads what it
/// prints as the same.
enum TextTarget {
  static func run(_ input: Input) {
    var input = input
    let kind = input.byte()
    let text = String(decoding: input.rest(), as: UTF8.self)
    switch kind % 6 {
    case 0: hostPort(text)
    case 1: listenPort(text)
    case 2: prefix(text)
    case 3: cpuList(text)
    case 4: address(text)
    default: query(text)
    }
  }

  private static func hostPort(_ text: String) {
    guard let value = try? HostPort(text) else { return }
    check(value.port != 0, "port 0")
    check((try? HostPort(value.description)) == value, "'\(text)' is printed as '\(value)'")
  }

  private static func listenPort(_ text: String) {
    guard let value = try? ListenPort(text) else { return }
    check(value.port != 0, "port 0")
    check(value.address?.isUnspecified != true, "'\(text)' is no address of a host")
  }

  private static func prefix(_ text: String) {
    guard let value = AddressPrefix(text) else { return }
    check(value.contains(value.address), "\(value) does not contain its own address")
    check(AddressPrefix(value.description) == value, "'\(text)' is printed as '\(value)'")
  }

  private static func cpuList(_ text: String) {
    guard let value = try? CPUList(text) else { return }
    check(Set(value.cpus).count == value.cpus.count, "'\(text)' names a CPU twice")
    check((try? CPUList(value.description)) == value, "'\(text)' is printed as '\(value)'")
  }

  private static func address(_ text: String) {
    guard let value = Address(text) else { return }
    check(Address(value.description) == value, "'\(text)' is printed as '\(value)'")
  }

  private static func query(_ text: String) {
    guard let value = JSON.decode(FlowQuery.self, Array(text.utf8)) else { return }
    _ = value.selection
    check(JSON.decode(FlowQuery.self, JSON.encode(value)) == value, "'\(text)' is written as another query")
  }
}
