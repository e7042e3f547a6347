internal import DataPlane
internal import Glibc

/// A message of rtnetlink(7) about traffic control: a header, `struct tcmsg`, attributes. Each of these begins at a
/// multiple of four bytes; numbers are in host order.
struct RouteMessage {
  /// linux/rtnetlink.h.
  enum Kind: UInt16 {
    case newQueueingDiscipline = 36
    case deleteQueueingDiscipline = 37
    case newFilter = 44
    case deleteFilter = 45
    case getFilter = 46
  }

  /// linux/netlink.h.
  struct Flags: OptionSet {
    let rawValue: UInt16
    static let request = Flags(rawValue: 0x001)
    static let acknowledge = Flags(rawValue: 0x004)
    static let exclusive = Flags(rawValue: 0x200)
    static let dump = Flags(rawValue: 0x300)
    static let create = Flags(rawValue: 0x400)
  }

  private static let headerBytes = 16
  private static let bodyBytes = 20
  private static let attributeHeaderBytes = 4
  private enum Control { static let (error, done) = (UInt16(2), UInt16(3)) }

  private(set) var bytes: [UInt8]

  /// `struct tcmsg`: which device, which filter or queueing discipline there, below what, and for filters priority and
  /// protocol.
  init(
    _ kind: Kind, _ flags: Flags, interfaceIndex: UInt32, handle: UInt32 = 0, parent: UInt32, info: UInt32 = 0
  ) {
    bytes = []
    put(UInt32(0))
    put(kind.rawValue)
    put(flags.union(.request).rawValue)
    for number in [0, 0, UInt32(AF_UNSPEC), interfaceIndex, handle, parent, info] as [UInt32] { put(number) }
  }

  private init(_ bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }

  private mutating func put(_ number: some FixedWidthInteger) {
    unsafe withUnsafeBytes(of: number) { unsafe bytes.append(contentsOf: $0) }
  }

  mutating func add(_ attribute: UInt16, _ value: [UInt8]) {
    put(UInt16(Self.attributeHeaderBytes + value.count))
    put(attribute)
    bytes += value + [UInt8](repeating: 0, count: Self.padding(value.count))
  }
  mutating func add(_ attribute: UInt16, _ text: String) { add(attribute, Array(text.utf8) + [0]) }
  mutating func add(_ attribute: UInt16, _ number: UInt32) {
    add(attribute, unsafe withUnsafeBytes(of: number) { unsafe Array($0) })
  }
  /// Attributes within one.
  mutating func add(_ attribute: UInt16, _ fill: (inout RouteMessage) -> Void) {
    var inner = RouteMessage([])
    fill(&inner)
    add(attribute, inner.bytes)
  }

  private static func padding(_ count: Int) -> Int { (4 - count % 4) % 4 }

  // MARK: - What comes back

  var kind: UInt16 { number(at: 4) }
  /// Of `struct tcmsg`.
  var handle: UInt32 { number(at: Self.headerBytes + 8) }
  var info: UInt32 { number(at: Self.headerBytes + 16) }
  private var error: Int32 { number(at: Self.headerBytes) }
  var attributes: [UInt16: ArraySlice<UInt8>] {
    Self.attributes(bytes.dropFirst(Self.headerBytes + Self.bodyBytes))
  }

  /// By their type, without the flags that it may have.
  static func attributes(_ bytes: ArraySlice<UInt8>) -> [UInt16: ArraySlice<UInt8>] {
    var found: [UInt16: ArraySlice<UInt8>] = [:]
    var rest = bytes
    while rest.count >= attributeHeaderBytes {
      let length = Int(number(rest, at: 0) as UInt16)
      guard (attributeHeaderBytes...rest.count).contains(length) else { break }
      found[number(rest, at: 2) & 0x3fff] = rest.prefix(length).dropFirst(attributeHeaderBytes)
      rest = rest.dropFirst(length + padding(length))
    }
    return found
  }

  private func number<Number: FixedWidthInteger>(at offset: Int) -> Number {
    Self.number(bytes[...], at: offset)
  }

  /// 0 behind the end.
  private static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>, at offset: Int) -> Number
  {
    var number: Number = 0
    unsafe withUnsafeMutableBytes(of: &number) { memory in
      for (place, byte) in bytes.dropFirst(offset).prefix(memory.count).enumerated() {
        unsafe memory[place] = byte
      }
    }
    return number
  }

  /// Sends the request, and gives the messages that answer it. `operation` names it where it is refused.
  func exchanged(_ operation: @autoclosure () -> String) throws(KernelError) -> [RouteMessage] {
    let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = try KernelError.checkErrno("socket(AF_NETLINK)", socket(AF_NETLINK, kind, 0))
    defer { close(socket) }
    var request = bytes
    unsafe withUnsafeBytes(of: UInt32(request.count)) { length in
      for index in 0..<4 { request[index] = unsafe length[index] }
    }
    guard unsafe send(socket, request, request.count, 0) == request.count else {
      throw KernelError(operation(), errno: errno)
    }
    var answers: [RouteMessage] = []
    var buffer = [UInt8](repeating: 0, count: 32_768)
    while true {
      let count = unsafe recv(socket, &buffer, buffer.count, 0)
      guard count > 0 || count < 0 && errno == EINTR else { throw KernelError(operation(), errno: errno) }
      var rest = buffer.prefix(max(count, 0))
      while rest.count >= Self.headerBytes {
        let length = Int(Self.number(rest, at: 0) as UInt32)
        guard (Self.headerBytes...rest.count).contains(length) else { break }
        let message = RouteMessage(rest.prefix(length))
        switch message.kind {
        case Control.done: return answers
        case Control.error:
          guard message.error == 0 else { throw KernelError(operation(), errno: -message.error) }
          return answers
        default: answers.append(message)
        }
        rest = rest.dropFirst(length + Self.padding(length))
      }
    }
  }
}
