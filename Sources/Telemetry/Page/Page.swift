/// The page at `/`: one file, nothing from elsewhere.
enum Page {
  static let answer = Answer(
    contentType: "text/html; charset=utf-8",
    headers: [
      (
        "content-security-policy",
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
          + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
      )
    ], body: PackageResources.page_html)
}
