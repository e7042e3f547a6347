internal import FoundationEssentials

/// Reports as one line of JSON with sorted keys, and back.
package enum JSONText {
  package static func encode(_ report: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(report), as: UTF8.self)
  }

  package static func decode<Report: Decodable>(_ type: Report.Type, from text: [UInt8]) throws -> Report {
    try JSONDecoder().decode(type, from: Data(text))
  }
}
