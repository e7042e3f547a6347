internal import CLiburing
internal import Glibc

/// Keeps a socket from getting anything, for as long as somebody wants (SO_ATTACH_FILTER in socket(7)).
package enum SocketFilter {
  /// Drops all that comes to a socket from now on: of every packet, the filter keeps no byte.
  package static func dropEverything(_ socket: Int32) throws(KernelError) {
    var instruction = sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0)
    let result = unsafe withUnsafeMutablePointer(to: &instruction) { filter in
      var program = unsafe sock_fprog(len: 1, filter: filter)
      return unsafe setsockopt(
        socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<sock_fprog>.size))
    }
    try KernelError.checkErrno("setsockopt(SO_ATTACH_FILTER)", result)
  }

  /// Lets packets in again.
  package static func dropNothing(_ socket: Int32) throws(KernelError) {
    try SocketOption.set(socket, SOL_SOCKET, SO_DETACH_FILTER, 0, "setsockopt(SO_DETACH_FILTER)")
  }
}
