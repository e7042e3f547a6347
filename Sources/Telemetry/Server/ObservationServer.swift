internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Answers those who look at a process's tunnels, on one thread of its own (docs/decisions/0065-observation.md).
package final class ObservationServer: Sendable {
  /// A socket that is bound, and may listen already; the server's from here on, where it is refused, too.
  package struct Listener: Sendable {
    package var descriptor: Int32
    package var access: Access

    package init(descriptor: Int32, access: Access) {
      self.descriptor = descriptor
      self.access = access
    }
  }

  /// Who comes in by a listener.
  package enum Access: Sendable, Equatable {
    /// Over TCP: sees metrics and page.
    case metrics(isLoopback: Bool)
    /// Over the control socket: sees everything, and those users may close flows and the like.
    case control(commanders: Set<UInt32>)
  }

  private let group: MultiThreadedEventLoopGroup
  private let channels: [any Channel]
  private static let backlog: Int32 = 64

  /// `confine` is called on the server's thread before it takes the first connection.
  package init(
    _ tunnels: [ObservedTunnel], _ listeners: [Listener], limits: ConnectionLimits = ConnectionLimits(),
    confine: @escaping @Sendable () throws -> Void
  ) throws {
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    do {
      try loop.submit { try confine() }.wait()
    } catch {
      for listener in listeners { close(listener.descriptor) }
      throw error
    }
    for tunnel in tunnels { tunnel.sample() }
    loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
      for tunnel in tunnels { tunnel.sample() }
    }
    var channels: [any Channel] = []
    for (index, listener) in listeners.enumerated() {
      do {
        channels.append(try Self.listen(listener, Routes(tunnels), limits, group))
      } catch {
        // The one that was refused is closed by who refused it.
        for channel in channels { try? channel.close().wait() }
        for other in listeners[(index + 1)...] { close(other.descriptor) }
        throw error
      }
    }
    self.channels = channels
  }

  private static func listen(
    _ listener: Listener, _ routes: Routes, _ limits: ConnectionLimits, _ group: MultiThreadedEventLoopGroup
  ) throws -> any Channel {
    let connections = Connections(countMax: limits.countMax)
    return try ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: Self.backlog)
      // Out of descriptors, the loop would ask for the next connection again and again.
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptBackoffHandler())
        }
      }
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        connections.add(channel)
        return channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
          try pipeline.addHandler(RequestHandler(routes, listener.access, connections, limits))
        }
      }
      .withBoundSocket(listener.descriptor)
      .wait()
  }

  /// Takes no more connections. The thread ends with the process: to end it, swift-nio would have Dispatch make
  /// threads on it, which may not.
  package func stop() {
    for channel in channels { try? channel.close().wait() }
  }
}
