internal import DataPlane

/// What the operator has in mind, as far as it was said: each part that is known is looked at.
package struct CheckPlan: Sendable {
  /// A client's UDP end.
  package var local: HostPort?
  /// A client's server.
  package var peer: HostPort?
  /// A server's TCP end.
  package var service: ListenPort?
  /// Where the peer is, once it has been looked up.
  var remote: Result<Endpoint, SetupError>?
  /// How many handshakes the peer is asked for.
  package var attempts = 5
  /// The mark that a client's packets get, where there is one.
  package var mark: UInt32?

  package static let attemptsRange = 1...100

  package init(local: HostPort?, peer: HostPort?, service: ListenPort?) {
    self.local = local
    self.peer = peer
    self.service = service
  }

  /// Whether this may be a server's host.
  var mayServe: Bool { service != nil || !isClient }
  /// Whether this may be a client's.
  var mayConnect: Bool { isClient || service == nil }
  private var isClient: Bool { local != nil || peer != nil }

  /// Looks the peer's name up, once for all checks.
  func resolved() -> CheckPlan {
    guard let peer else { return self }
    var plan = self
    do throws(SetupError) {
      let families = Set(AddressFamily.allCases)
      plan.remote = .success(try HostResolution.endpoint(of: peer, families: families, purpose: "--peer"))
    } catch {
      plan.remote = .failure(error)
    }
    return plan
  }

  /// The device that a gateway will have, unless others are there before it.
  var device: String { "guise0" }
}
