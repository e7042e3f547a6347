/// The internet checksum as RFC 1071 states it, word by word: the twin that the data plane's is held against.
///
/// Returns the one's complement sum of big-endian words, not inverted; an odd last byte counts as `xx 00`.
func naiveSum(_ bytes: [UInt8]) -> UInt16 {
  var sum: UInt32 = 0
  for start in stride(from: 0, to: bytes.count, by: 2) {
    let low: UInt8 = start + 1 < bytes.count ? bytes[start + 1] : 0
    sum += UInt32(bytes[start]) << 8 | UInt32(low)
    if sum > 0xffff { sum = sum & 0xffff + 1 }
  }
  return UInt16(sum)
}

/// The checksum field that makes `bytes`, in which that field is zero, whole.
func naiveChecksum(_ bytes: [UInt8]) -> UInt16 { ~naiveSum(bytes) }
