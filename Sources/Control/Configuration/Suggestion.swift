/// What somebody who mistyped a word most likely meant.
package enum Suggestion {
  /// The nearest of the words, if it is near enough.
  package static func nearest(to text: String, among words: [String]) -> String? {
    let limit = max(1, text.count / 3)
    return words.map { (word: $0, distance: distance(text, $0)) }
      .filter { $0.distance <= limit }
      .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
  }

  /// Characters to insert, delete or replace, or neighbours to exchange, to make one word of the other (optimal
  /// string alignment).
  static func distance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first), Array(second))
    var rows = [Array(0...second.count)]
    for (i, character) in first.enumerated() {
      var row = [i + 1]
      for (j, other) in second.enumerated() {
        var best = min(rows[i][j] + (character == other ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, character == second[j - 1], other == first[i - 1] {
          best = min(best, rows[i - 1][j - 1] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[first.count][second.count]
  }
}
