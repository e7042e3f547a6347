import Glibc
import Testing

@testable import DataPlane
@testable import Telemetry

/// Clients that are slow, many or greedy, each against a server of its own on a loopback port.
@Suite struct ObservationServerTests {
  /// A server without tunnels: there are the page, and answers of a few bytes.
  private func server(_ change: (inout ConnectionLimits) -> Void = { _ in }) throws -> (
    ObservationServer, UInt16
  ) {
    var limits = ConnectionLimits()
    change(&limits)
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    try SocketAddress.bind(descriptor, to: Endpoint(Address("127.0.0.1")!, port: 0))
    var name = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &name) {
      _ = unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    let listener = ObservationServer.Listener(descriptor: descriptor, access: .metrics(isLoopback: true))
    return (try ObservationServer([], [listener], limits: limits) {}, UInt16(bigEndian: name.sin_port))
  }

  @Test func `a connection serves one request after another`() throws {
    let (server, port) = try server()
    defer { server.stop() }
    let client = try Client(port)
    for _ in 0..<3 {
      #expect(client.send(Self.health))
      #expect(client.receive(until: "\r\n\r\nok\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test(arguments: [
    ("GET /healthz HTTP/1.1\r\nhost: evil.example\r\n\r\n", 403), ("GET /flows HTTP/1.1\r\n\r\n", 404),
    ("POST /flows/close HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", 404),
    ("POST /metrics HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 405),
    ("POST / HTTP/1.1\r\ncontent-length: 5000\r\n\r\n" + String(repeating: "x", count: 5_000), 413),
    ("GET /metrics HTTP/1.1\r\nhost: localhost:9740\r\n\r\n", 200), ("nonsense\r\n\r\n", 400),
  ]) func `what cannot be is refused`(_ request: String, _ status: Int) throws {
    let (server, port) = try server()
    defer { server.stop() }
    let client = try Client(port)
    #expect(client.send(request))
    #expect(client.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 \(status) "))
  }

  @Test(arguments: [
    (#"{"remote_addr":"203.0.113.9"}"#, 400), (#"{"silent":60}"#, 400), ("{}", 400), (#"{"limit":1}"#, 400),
    ("[]", 400), (#"{"remote":"nowhere"}"#, 400), (#"{"remote":"203.0.113.9"}"#, 200),
    (#"{"all":true}"#, 200),
    (#"{"silent_seconds":60,"local_port":1}"#, 200),
  ]) func `flows are closed only where it is clear which`(_ query: String, _ status: Int) {
    let request = Request(method: "POST", path: "/flows/close", host: nil, body: Array(query.utf8))
    #expect(Routes([]).answer(request, .control(mayCommand: true)).status == status)
  }

  @Test func `where all connections are taken, the one that asked nothing for longest makes room`() throws {
    let (server, port) = try server { $0.countMax = 2 }
    defer { server.stop() }
    let (busy, idle) = (try Client(port), try Client(port))
    #expect(busy.send(Self.health) && busy.receive(until: "ok\n").hasSuffix("ok\n"))
    let scraper = try Client(port)
    #expect(scraper.send(Self.health) && scraper.receive(until: "ok\n").hasSuffix("ok\n"))
    #expect(idle.receive().isEmpty)
    #expect(busy.send(Self.health) && busy.receive(until: "ok\n").hasSuffix("ok\n"))
  }

  @Test func `a request that never ends is not waited for, however steadily it comes`() throws {
    let (server, port) = try server { $0.requestMilliseconds = 200 }
    defer { server.stop() }
    let client = try Client(port)
    let start = ContinuousClock.now
    #expect(client.send("GET /healthz HTTP/1.1\r\n"))
    while client.send("x: y\r\n"), ContinuousClock.now - start < .seconds(10) { usleep(20_000) }
    #expect(ContinuousClock.now - start < .seconds(10))
  }

  @Test func `whoever reads no answers has one of them in memory, and is hung up on`() throws {
    let (server, port) = try server { $0.answerMilliseconds = 1_000 }
    defer { server.stop() }
    let client = try Client(port)
    // More than all buffers between the two hold: the rest waits until the connection is closed.
    let requests = String(repeating: "GET / HTTP/1.1\r\n\r\n", count: 1_000_000)
    let before = residentBytesMax()
    #expect(!client.send(requests) && errno != EAGAIN)
    // Ten thousand pages would be 200 MB.
    #expect(residentBytesMax() - before < 128 << 20)
  }

  @Test func `thousands of requests at once are answered one by one`() throws {
    let (server, port) = try server()
    defer { server.stop() }
    let client = try Client(port)
    let count = 3_000
    let last = "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"
    #expect(client.send(String(repeating: Self.health, count: count - 1) + last))
    #expect(client.receive().split(separator: "\r\n\r\nok\n").count == count)
  }

  @Test func `others are answered while thousands of requests wait on one connection`() throws {
    let (server, port) = try server()
    defer { server.stop() }
    let busy = try Client(port)
    // Pages of 20 KB, which take their time.
    #expect(busy.send(String(repeating: "HEAD / HTTP/1.1\r\n\r\n", count: 3_000)))
    #expect(!busy.receive(until: "200 OK").isEmpty)
    let start = ContinuousClock.now
    let other = try Client(port)
    #expect(other.send(Self.health))
    #expect(other.receive(until: "\r\n\r\nok\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(.now - start < .seconds(1))
    // It is at work still: with the first, or one more, in three seconds at the soonest.
    #expect(busy.send("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"))
    #expect(busy.receive().hasSuffix("\r\n\r\nok\n"))
    #expect(.now - start > .seconds(1))
  }

  @Test func `whoever has nothing more to ask gets all of his answers`() throws {
    let (server, port) = try server()
    defer { server.stop() }
    // More than the two sockets hold.
    let client = try Client(port, receiveBytes: 2_048)
    let count = 200
    #expect(client.send(String(repeating: "GET / HTTP/1.1\r\n\r\n", count: count)))
    client.endSending()
    usleep(100_000)
    let answer = client.receive()
    #expect(answer.split(separator: "</html>\n").count == count)
    #expect(answer.utf8.count > count * Page.answer.body.count)
    let silent = try Client(port)
    silent.endSending()
    #expect(silent.receive().isEmpty)
  }

  private static let health = "GET /healthz HTTP/1.1\r\n\r\n"

  /// The most that this process ever had in memory.
  private func residentBytesMax() -> Int {
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }
}

/// A connection to a server under test. With time limits, its calls end when signals of other tests come (signal(7)).
private final class Client {
  private let descriptor: Int32

  init(_ port: UInt16, receiveBytes: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if var receiveBytes {
      unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, 4)
    }
    try SocketAddress.connect(descriptor, to: Endpoint(Address("127.0.0.1")!, port: port))
    var time = timeval(tv_sec: 20, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  deinit { close(descriptor) }

  func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Whether all of it went off.
  func send(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// What comes until some text is in it, the connection ends or nothing comes any more.
  func receive(until text: String? = nil) -> String {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe recv(descriptor, &piece, piece.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += piece[..<count]
      if let text, String(decoding: bytes, as: UTF8.self).contains(text) { break }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
