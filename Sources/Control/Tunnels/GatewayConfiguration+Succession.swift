extension GatewayConfiguration {
  /// Whether a process with this configuration can go on with the flows of one that has the other (`--takeover`): it
  /// must be the same end, on the same device, with the same file and user.
  func canSucceed(_ other: GatewayConfiguration) -> Bool {
    listen == other.listen && device == other.device && tunIPv4 == other.tunIPv4
      && tunIPv6 == other.tunIPv6 && ipv4Only == other.ipv4Only && user == other.user
      && flowFile == other.flowFile && flowFile != .off
  }
}
