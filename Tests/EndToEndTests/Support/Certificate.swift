/// A self-signed certificate for TLS, and its key, in files of a host (PEM).
struct Certificate: Sendable {
  let host: Namespace
  let file: String
  let keyFile: String

  init(of host: Namespace) throws {
    self.host = host
    keyFile = try host.file("tls.key", [])
    file = try host.file("tls.crt", [])
    try host.run(
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-days", "2", "-subj", "/CN=guise.test", "-keyout", keyFile, "-out", file)
  }

  /// SHA-256 of it, as hexadecimal bytes with colons between them.
  var fingerprint: String {
    get throws {
      let text = try host.run("openssl", "x509", "-fingerprint", "-sha256", "-noout", "-in", file)
      // "sha256 Fingerprint=AB:CD:…"
      return String(text.split(separator: "=").last?.prefix { !$0.isWhitespace } ?? "")
    }
  }
}
