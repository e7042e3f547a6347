internal import CLiburing
internal import Glibc

/// Which processor a thread runs on: always the same ones, since a round trip between two differs much from
/// one within one.
enum Processor {
  case contender
  /// The far end, or the maker of the load.
  case peer

  /// As the kernel counts them; the same for both where there is only one.
  var number: Int32 { self == .peer && sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 ? 1 : 0 }

  /// Pins the calling thread. Best effort: a container may have taken processors away.
  static func pin(to processor: Processor) { _ = guise_pin_thread(processor.number) }
}
