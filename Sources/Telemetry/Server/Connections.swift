internal import NIOCore
internal import Synchronization

/// The connections of a listener. Where there is no room for another, the one goes that has asked nothing for
/// longest: idle ones cannot keep a scraper out.
final class Connections: Sendable {
  private struct Connection {
    let channel: any Channel
    var lastUse: NIODeadline
  }

  private let countMax: Int
  private let open = Mutex<[ObjectIdentifier: Connection]>([:])

  init(countMax: Int) { self.countMax = countMax }

  func add(_ channel: any Channel) {
    let id = ObjectIdentifier(channel)
    let displaced = open.withLock { open -> (any Channel)? in
      let oldest = open.count < countMax ? nil : open.min { $0.value.lastUse < $1.value.lastUse }
      if let oldest { open[oldest.key] = nil }
      open[id] = Connection(channel: channel, lastUse: .now())
      return oldest?.value.channel
    }
    displaced?.close(promise: nil)
    channel.closeFuture.whenComplete { _ in self.open.withLock { $0[id] = nil } }
  }

  func noteUse(of channel: any Channel) {
    open.withLock { $0[ObjectIdentifier(channel)]?.lastUse = .now() }
  }
}
