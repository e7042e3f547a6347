import LoadModel

// Tests hold datagrams as arrays; the code under test sees spans of receive buffers.

extension DatagramContent {
  func verify(_ datagram: [UInt8], _ verification: Verification) -> DatagramVerdict {
    unsafe verify(datagram.span.bytes, verification)
  }
}

extension FlowLedger {
  @discardableResult
  mutating func record(_ datagram: [UInt8], arrival: UInt64) -> DatagramVerdict {
    unsafe record(datagram.span.bytes, arrival: arrival)
  }
}
