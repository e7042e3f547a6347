/// What a connection may take of the process that it asks.
package struct ConnectionLimits: Sendable {
  /// Connections that a listener serves at once: nobody who opens many shall take the process's descriptors.
  package var countMax = 64
  /// How long a connection may take for its next request, silence included: longer than scrapers wait between two.
  package var requestMilliseconds: Int64 = 120_000
  /// How long an answer may take to be on its way.
  package var answerMilliseconds: Int64 = 10_000

  package init() {}
}
