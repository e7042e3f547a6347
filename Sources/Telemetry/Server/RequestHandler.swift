internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// One connection: takes requests one by one and writes what `Routes` answers.
///
/// The next request is looked at when the answer to the last is with the kernel, so that whoever does not read his
/// answers has one of them in memory, whatever he asks for at once (pipelining, RFC 9112 §9.3.2). Neither may take
/// longer than `ConnectionLimits` allow.
final class RequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// A query for flows takes a fraction of it.
  private static let bodyBytesMax = 4_096
  /// From an answer to the next request of the same connection.
  private static let pause = TimeAmount.milliseconds(1)

  private let routes: Routes
  private let access: ObservationServer.Access
  private let connections: Connections
  private let limits: ConnectionLimits
  /// Closes the connection.
  private var deadline: Scheduled<Void>?
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  private var isTooLarge = false
  /// Whether an answer is on its way, and nothing more will be asked (RFC 9112 §9.6).
  private var isAnswering = false
  private var isLast = false

  init(
    _ routes: Routes, _ access: ObservationServer.Access, _ connections: Connections,
    _ limits: ConnectionLimits
  ) {
    self.routes = routes
    self.access = access
    self.connections = connections
    self.limits = limits
  }

  func handlerAdded(context: ChannelHandlerContext) { allow(limits.requestMilliseconds, context.channel) }

  func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

  /// Gives the connection so long from now.
  private func allow(_ milliseconds: Int64, _ channel: any Channel) {
    deadline?.cancel()
    deadline = channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) { channel.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
      isTooLarge = false
    case .body(let bytes):
      isTooLarge = isTooLarge || body.count + bytes.readableBytes > Self.bodyBytesMax
      if !isTooLarge { body += bytes.readableBytesView }
    case .end:
      guard let head = head.take() else { return }
      allow(limits.answerMilliseconds, context.channel)
      connections.noteUse(of: context.channel)
      answer(head, context)
    }
  }

  /// Whoever asks may have nothing more to say, and waits for the answer (shutdown(2)).
  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    isLast = true
    if !isAnswering { context.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    let request = Request(
      method: head.method.rawValue, path: String(head.uri.prefix { $0 != "?" }),
      host: head.headers.first(name: "host"), body: body)
    let answer =
      isTooLarge
      ? Answer.refusal(413, "the request is too large") : routes.answer(request, visitor(context))
    var headers = HTTPHeaders([
      ("content-type", answer.contentType), ("content-length", "\(answer.body.count)"),
      ("cache-control", "no-store"), ("x-content-type-options", "nosniff"),
    ])
    for (name, value) in answer.headers { headers.add(name: name, value: value) }
    if !head.isKeepAlive { headers.add(name: "connection", value: "close") }
    let status = HTTPResponseStatus(statusCode: answer.status)
    context.write(
      wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))),
      promise: nil)
    isAnswering = true
    let body = ByteBuffer(bytes: head.method == .HEAD ? [] : answer.body)
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(body)))).assumeIsolated().whenSuccess {
      // In a turn of its own, since the end brings the next request: a thousand of them would be so many frames deep, and
      // an event loop runs what it has been told to at once before it looks at other connections.
      context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) { self.end(head, context) }
    }
  }

  /// The answer is with the kernel.
  private func end(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    guard context.channel.isActive else { return }
    isAnswering = false
    allow(limits.requestMilliseconds, context.channel)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    if !head.isKeepAlive || isLast { context.close(promise: nil) }
  }

  /// Who asks; who comes over a unix socket is known to the kernel (SO_PEERCRED, unix(7)).
  private func visitor(_ context: ChannelHandlerContext) -> Visitor {
    switch access {
    case .metrics(let isLoopback): return .metrics(isLoopback: isLoopback)
    case .control(let commanders):
      let provider = context.channel as? any SocketOptionProvider
      let option = NIOBSDSocket.Option(rawValue: peerCredentialsOption)
      let credentials: EventLoopFuture<GuiseCredentials>? = provider?.unsafeGetSocketOption(
        level: .socket, name: option)
      var user: UInt32?
      // On the channel's own thread it is there at once.
      credentials?.assumeIsolated().whenSuccess { user = $0.user }
      return .control(mayCommand: user.map(commanders.contains) ?? false)
    }
  }
}

/// `struct ucred` (unix(7)).
struct GuiseCredentials: BitwiseCopyable, Sendable {
  var process: Int32
  var user: UInt32
  var group: UInt32
}

/// The same number on all architectures that Swift runs on.
private let peerCredentialsOption: CInt = 17
