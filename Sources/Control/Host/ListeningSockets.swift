/// TCP sockets that wait for connections, out of `/proc/net/tcp` and `/proc/net/tcp6` (proc(5)).
enum ListeningSockets {
  /// The families in which somebody listens on `port`: "port 4567 (IPv4)".
  static func tcp(port: UInt16) -> [String] {
    [("/proc/self/net/tcp", AddressFamily.ipv4), ("/proc/self/net/tcp6", .ipv6)].compactMap { path, family in
      isListened(port: port, in: TextFile.lines(path)) ? "port \(port) (\(family))" : nil
    }
  }

  /// A line reads `sl local_address rem_address st …`: the port is in hexadecimal behind the address's
  /// colon, and state 0A is TCP_LISTEN.
  static func isListened(port: UInt16, in lines: [String]) -> Bool {
    lines.contains { line in
      let columns = line.split(separator: " ")
      guard columns.count > 3, columns[3] == "0A", let colon = columns[1].lastIndex(of: ":") else {
        return false
      }
      return UInt16(columns[1][columns[1].index(after: colon)...], radix: 16) == port
    }
  }
}
