internal import CLiburing
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// One connection: takes requests one by one and writes what `Routes` answers.
final class RequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// A query for flows takes a fraction of it.
  private static let bodyBytesMax = 4_096

  private let routes: Routes
  private let access: ObservationServer.Access
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  private var isTooLarge = false

  init(_ routes: Routes, _ access: ObservationServer.Access) {
    self.routes = routes
    self.access = access
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
      answer(head, context)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
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
    if head.method != .HEAD {
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
    }
    let done = context.writeAndFlush(wrapOutboundOut(.end(nil)))
    if !head.isKeepAlive {
      let channel = context.channel
      done.whenComplete { _ in channel.close(promise: nil) }
    }
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
