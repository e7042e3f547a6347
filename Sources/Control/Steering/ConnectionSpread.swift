internal import DataPlane
internal import Glibc

/// Shares a client's UDP sources out among its workers, where each has several connections.
enum ConnectionSpread {
  /// Deals the datagrams of every source out among the sockets of a port, `connections` of them at most, for as long
  /// as one of them is there. Throws EPERM without CAP_BPF.
  static func attach(to sockets: [Int32], connections: Int) throws(KernelError) {
    let code = SpreadProgram.code(workers: sockets.count, reach: min(connections, sockets.count))
    let program = try BPFKernel.load(.socket, code, "guise_spread")
    defer { close(program) }
    try UDPSocket.letChoose(program, amongSharersOf: sockets[0])
  }
}
