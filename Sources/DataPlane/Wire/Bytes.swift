/// Network-order fields of a byte view whose length was checked when it was made.
extension RawSpan {
  /// The big-endian 16-bit field at `offset`. Safety: the caller's view is at least `offset + 2` bytes.
  @inline(__always)
  func field16(_ offset: Int) -> UInt16 {
    UInt16(bigEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
  }

  @inline(__always)
  func field32(_ offset: Int) -> UInt32 {
    UInt32(bigEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  func field8(_ offset: Int) -> UInt8 {
    unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  /// Bytes in memory order, as addresses are kept.
  @inline(__always)
  func raw<T: BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
    unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: type)
  }
}

/// Network-order stores into room whose length the caller has checked.
extension MutableRawSpan {
  @inline(__always)
  mutating func put8(_ value: UInt8, at offset: Int) {
    unsafe storeBytes(of: value, toUncheckedByteOffset: offset, as: UInt8.self)
  }

  @inline(__always)
  mutating func put16(_ value: UInt16, at offset: Int) {
    unsafe storeBytes(of: value.bigEndian, toUncheckedByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  mutating func put32(_ value: UInt32, at offset: Int) {
    unsafe storeBytes(of: value.bigEndian, toUncheckedByteOffset: offset, as: UInt32.self)
  }

  /// Stores a value as it lies in memory.
  @inline(__always)
  mutating func putRaw<T: BitwiseCopyable>(_ value: T, at offset: Int) {
    unsafe storeBytes(of: value, toUncheckedByteOffset: offset, as: T.self)
  }
}
