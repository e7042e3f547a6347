internal import ArgumentParser
internal import LoadModel

extension SocketAddress: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension SizeRange: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension TrafficRate: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension Verification: ExpressibleByArgument {}

extension Forgery.Target: ExpressibleByArgument {}

/// A length of time, written in seconds with a decimal point if need be.
struct Seconds: ExpressibleByArgument {
  let nanoseconds: UInt64

  init?(argument: String) {
    guard let value = Double(argument), value > 0, value <= 1e7 else { return nil }
    nanoseconds = UInt64(value * 1e9)
  }
}
