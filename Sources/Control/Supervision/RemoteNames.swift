internal import DataPlane
internal import Dispatch
internal import Synchronization

/// Looks the names of a client's servers up again, beside the thread that asks. A look-up may wait many seconds
/// for DNS, on a path that is just what is lost, so several may wait at once: the last begun knows best.
///
/// An address that a name still has is kept, whatever the order of the answers.
final class RemoteNames: Sendable {
  private let targets: [HostPort]
  private let families: Set<AddressFamily>
  private let lookUp: @Sendable (HostPort, Set<AddressFamily>) -> [Address]
  private let state: Mutex<State>

  private struct State {
    var known: [Endpoint]
    var waitingCount = 0
    var begunCount = 0
    /// The youngest look-up whose answer is in `known`.
    var newest = 0
    var hasChanged = false
    /// When there may be another look-up.
    var due: ContinuousClock.Instant
  }

  /// The shortest time between two look-ups.
  static let interval = Duration.milliseconds(500)
  /// Most that wait for an answer.
  static let waitingMax = 16

  /// `known`: what the names meant at the start. `lookUp` gives all addresses, or none when it fails.
  init(
    _ targets: [HostPort], known: [Endpoint], families: Set<AddressFamily>,
    lookUp: @escaping @Sendable (HostPort, Set<AddressFamily>) -> [Address] = HostResolution.addresses
  ) {
    self.targets = targets
    self.families = families
    self.lookUp = lookUp
    state = Mutex(State(known: known, due: .now))
  }

  /// Begins a look-up, unless too many wait, or the last began a moment ago, or all are addresses. Whether it
  /// did.
  @discardableResult
  func refresh(now: ContinuousClock.Instant = .now) -> Bool {
    guard targets.contains(where: \.isName) else { return false }
    let number: Int? = state.withLock { state in
      guard state.waitingCount < Self.waitingMax, now >= state.due else { return nil }
      state.waitingCount += 1
      state.begunCount += 1
      state.due = now + Self.interval
      return state.begunCount
    }
    guard let number else { return false }
    DispatchQueue.global().async { self.run(number) }
    return true
  }

  /// The servers' endpoints, if they are others than at the last call.
  func takeChange() -> [Endpoint]? {
    state.withLock { state in
      guard state.hasChanged else { return nil }
      state.hasChanged = false
      return state.known
    }
  }

  private func run(_ number: Int) {
    let found = targets.map { $0.isName ? lookUp($0, families) : [] }
    state.withLock { state in
      state.waitingCount -= 1
      guard number > state.newest else { return }
      state.newest = number
      for (index, addresses) in found.enumerated() {
        guard let first = addresses.first, !addresses.contains(state.known[index].address) else { continue }
        state.known[index].address = first
        state.hasChanged = true
      }
    }
  }
}

extension HostPort {
  fileprivate var isName: Bool {
    if case .name = host { true } else { false }
  }
}
