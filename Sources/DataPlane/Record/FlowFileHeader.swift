/// What a flow file says of the process that wrote it, and how to read the rest.
///
/// Written once, when the file is made. Numbers are in the machine's own order: the file never leaves it, nor
/// does it outlive a boot.
package struct FlowFileHeader: Equatable, Sendable {
  /// Raised with every change to this layout or to `FlowRecord.Offset`.
  package static let version: UInt32 = 1

  /// The boot and the network namespace.
  package var namespace: String
  package var processID: Int32
  package var role: Role
  /// The TUN device, and its addresses in each family: the kernel's and our TCP end's; unspecified where the
  /// family is not in use.
  package var device: String
  package var local4 = Address.unspecified
  package var peer4 = Address.unspecified
  package var local6 = Address.unspecified
  package var peer6 = Address.unspecified
  package var mtu: Int
  /// Where traffic comes in: the client's UDP endpoint; the server's TCP port, with an address if it serves one
  /// alone.
  package var listen: Endpoint
  package var remote: Endpoint
  package var idleTimeoutSeconds: Int
  /// So that handshakes that are under way succeed.
  package var cookieKey: CookieKey
  /// Client: whether its packets passed connection tracking by as the file was made.
  package var isStateless = false

  /// The two words that cookies are made with.
  package struct CookieKey: Equatable, Sendable, BitwiseCopyable {
    var first: UInt64
    var second: UInt64

    package static func random() -> CookieKey {
      CookieKey(first: UInt64.random(in: 0 ... .max), second: UInt64.random(in: 0 ... .max))
    }
  }

  /// The sections that follow, one a worker.
  var workerCount = 0
  var flowsPerWorker = 0
  var stride = 0

  package init(
    namespace: String, processID: Int32, role: Role, device: String, mtu: Int, listen: Endpoint,
    remote: Endpoint, idleTimeoutSeconds: Int, cookieKey: CookieKey = .random()
  ) {
    self.namespace = namespace
    self.processID = processID
    self.role = role
    self.device = device
    self.mtu = mtu
    self.listen = listen
    self.remote = remote
    self.idleTimeoutSeconds = idleTimeoutSeconds
    self.cookieKey = cookieKey
  }

  // MARK: - Bytes

  static let length = 4_096
  /// What every flow file begins with.
  static let name = Array("guiseflw".utf8)

  /// The header as it lies in the file.
  private struct Image: BitwiseCopyable {
    var magic = Self.magic
    var checksum: UInt64 = 0
    var version = FlowFileHeader.version
    var processID: Int32 = 0
    var cookieKey = CookieKey(first: 0, second: 0)
    var addresses = InlineArray<4, Address>(repeating: .unspecified)
    var listen = Address.unspecified
    var remote = Address.unspecified
    var listenPort: UInt16 = 0
    var remotePort: UInt16 = 0
    /// 0 client, 1 server, 2 a client whose packets pass connection tracking by.
    var kind: UInt32 = 0
    var mtu: UInt32 = 0
    var idleTimeoutSeconds: UInt32 = 0
    var workerCount: UInt32 = 0
    var flowsPerWorker: UInt32 = 0
    var stride: UInt64 = 0
    var device = InlineArray<16, UInt8>(repeating: 0)
    var namespace = InlineArray<128, UInt8>(repeating: 0)

    /// `FlowFileHeader.name`.
    static let magic: UInt64 = 0x776c_6665_7369_7567

    /// FNV-1a over everything else.
    func sum() -> UInt64 {
      var plain = self
      plain.checksum = 0
      return unsafe withUnsafeBytes(of: &plain) { bytes in
        unsafe bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
      }
    }
  }

  func encoded() -> [UInt8] {
    var image = Image()
    image.processID = processID
    image.cookieKey = cookieKey
    image.addresses = [local4, peer4, local6, peer6]
    image.listen = listen.address
    image.listenPort = listen.port
    image.remote = remote.address
    image.remotePort = remote.port
    image.kind = role == .server ? 1 : isStateless ? 2 : 0
    image.mtu = UInt32(mtu)
    image.idleTimeoutSeconds = UInt32(idleTimeoutSeconds)
    image.workerCount = UInt32(workerCount)
    image.flowsPerWorker = UInt32(flowsPerWorker)
    image.stride = UInt64(stride)
    for (index, byte) in device.utf8.prefix(15).enumerated() { image.device[index] = byte }
    for (index, byte) in namespace.utf8.prefix(127).enumerated() { image.namespace[index] = byte }
    image.checksum = image.sum()
    let bytes = unsafe withUnsafeBytes(of: &image) { unsafe Array($0) }
    return bytes + [UInt8](repeating: 0, count: Self.length - bytes.count)
  }

  /// Reads the beginning of a file; throws why it is of no use.
  package init(_ bytes: [UInt8]) throws(FlowFileRefusal) {
    guard bytes.count >= Self.length else { throw bytes.isEmpty ? .empty : .truncated }
    let image = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Image.self) }
    guard image.magic == Image.magic else { throw .foreign }
    guard image.version == Self.version else { throw .otherVersion(image.version) }
    guard image.checksum == image.sum() else { throw .damaged }
    self.init(
      namespace: Self.text(image.namespace.indices.map { image.namespace[$0] }),
      processID: image.processID, role: image.kind == 1 ? .server : .client,
      device: Self.text(image.device.indices.map { image.device[$0] }), mtu: Int(image.mtu),
      listen: Endpoint(image.listen, port: image.listenPort),
      remote: Endpoint(image.remote, port: image.remotePort),
      idleTimeoutSeconds: Int(image.idleTimeoutSeconds), cookieKey: image.cookieKey)
    (local4, peer4) = (image.addresses[0], image.addresses[1])
    (local6, peer6) = (image.addresses[2], image.addresses[3])
    isStateless = image.kind == 2
    workerCount = Int(image.workerCount)
    flowsPerWorker = Int(image.flowsPerWorker)
    stride = Int(truncatingIfNeeded: image.stride)
    guard (1...Limits.workerCountMax).contains(workerCount),
      (1...Limits.flowCountMax).contains(flowsPerWorker),
      (FlowRecord.length...Self.length).contains(stride)
    else { throw .damaged }
  }

  private static func text(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  // MARK: - Where things lie

  /// Distance between the workers' counts of slots: a cache line each.
  private static let countStride = 64
  static let countsLength = Limits.workerCountMax * countStride
  static func countOffset(worker: Int) -> Int { length + worker * countStride }

  /// Bytes of one section, whole pages.
  var sectionLength: Int { (flowsPerWorker * stride + 4_095) & ~4_095 }
  func sectionOffset(worker: Int) -> Int { Self.length + Self.countsLength + worker * sectionLength }
  var fileLength: Int { sectionOffset(worker: workerCount) }
}

/// Why a flow file is of no use.
package enum FlowFileRefusal: Error, Equatable, Sendable, CustomStringConvertible {
  case empty
  case truncated
  case foreign
  case otherVersion(UInt32)
  case damaged
  case unreadable(errno: Int32)

  package var description: String {
    switch self {
    case .empty: "it is empty"
    case .truncated: "it has been cut short"
    case .foreign: "it is something else"
    case .otherVersion(let version):
      "it has version \(version), and this guise reads \(FlowFileHeader.version)"
    case .damaged: "its header is damaged"
    case .unreadable(let errno): KernelError("read", errno: errno).description
    }
  }
}
