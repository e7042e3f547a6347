extension String {
  /// With a question mark for what a terminal would act on: control and format characters (Unicode's categories Cc, Cf).
  ///
  /// What other processes say of themselves is shown to root, and the sockets of an unprivileged user's processes are
  /// that user's.
  package var printable: String {
    guard unicodeScalars.contains(where: \.isActedOn) else { return self }
    var result = UnicodeScalarView()
    for scalar in unicodeScalars { result.append(scalar.isActedOn ? "?" : scalar) }
    return String(result)
  }
}

extension Unicode.Scalar {
  fileprivate var isActedOn: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
