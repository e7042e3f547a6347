internal import Control
internal import Glibc
internal import Telemetry

/// The processes of this host that are looked at again and again: those that are there, and that have ended lately.
struct HostWatch: Sendable {
  private let choice: TunnelChoice
  /// By control socket.
  private var watches: [String: ProcessWatch] = [:]

  /// A process that hangs must not hide the others for long.
  private static let answerSecondsMax = 5
  /// Looking at more flows would cost gateway and terminal more than it shows: 2000 are half a megabyte of JSON.
  private static let flowsMax = 2_000
  /// How long one that has ended is shown.
  private static let endedSecondsMax = 300.0

  init(_ choice: TunnelChoice) { self.choice = choice }

  /// By name.
  var processes: [ProcessWatch] {
    watches.sorted { ($0.value.name, $0.key) < ($1.value.name, $1.key) }.map(\.value)
  }

  /// Seconds on CLOCK_MONOTONIC, which looks are dated by.
  static var now: Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Why none of them can be asked; nil when one can.
  var refusal: String? {
    var first: String?
    for process in processes {
      switch process.state {
      case .running: return nil
      case .unreachable(let reason): first = first ?? reason
      case .ended: break
      }
    }
    return first ?? ControlClient.Failure.dead.text
  }

  mutating func look() {
    let there = Dictionary(choice.sockets.map { ($0.path, $0.name) }) { first, _ in first }
    for (path, name) in there {
      var watch = watches[path] ?? ProcessWatch(name: name)
      Self.look(at: path, &watch)
      // What was dead before we came is for 'guise cleanup'.
      if watches[path] == nil, case .ended = watch.state { continue }
      watches[path] = watch
    }
    for path in watches.keys where there[path] == nil { watches[path]!.note(.dead, at: Self.now) }
    watches = watches.filter { _, watch in
      if case .ended(let moment) = watch.state { Self.now - moment < Self.endedSecondsMax } else { true }
    }
  }

  private static func look(at path: String, _ watch: inout ProcessWatch) {
    let client = ControlClient(path, secondsMax: answerSecondsMax)
    var query = FlowQuery()
    query.limit = flowsMax
    do throws(ControlClient.Failure) {
      let tunnels = try client.status().tunnels
      let history = try client.history().tunnels
      let flows = try client.flows(query)
      watch.note(ProcessWatch.Look(time: now, tunnels: tunnels, history: history, flows: flows))
    } catch {
      watch.note(error, at: now)
    }
  }
}
