import Testing

@testable import DataPlane

/// Addresses that change while others read them.
@Suite struct RemoteBoardTests {
  private func endpoint(_ number: UInt64) -> Endpoint {
    Endpoint(Address(high: number, low: ~number), port: UInt16(truncatingIfNeeded: number))
  }

  @Test func `what was written last is read`() {
    let board = RemoteBoard([endpoint(1), endpoint(2)])
    defer { board.deallocate() }
    #expect(board[0] == endpoint(1) && board[1] == endpoint(2))
    let edition = board.edition
    board.write([endpoint(3), endpoint(2)])
    #expect(board[0] == endpoint(3) && board[1] == endpoint(2))
    #expect(board.edition != edition)
  }

  @Test func `a wish for a look-up is heard once`() {
    let board = RemoteBoard([endpoint(1)])
    defer { board.deallocate() }
    #expect(!board.takeLookUpWish())
    board.wantLookUp()
    board.wantLookUp()
    #expect(board.takeLookUpWish())
    #expect(!board.takeLookUpWish())
  }

  @Test func `no reader sees half of an address`() {
    let board = RemoteBoard([endpoint(0)])
    defer { board.deallocate() }
    runConcurrently(
      { for number in UInt64(1)...20_000 { board.write([self.endpoint(number)]) } },
      {
        for _ in 0..<20_000 {
          let read = board[0]
          guard read == self.endpoint(read.address.high) else { fatalError("half an address: \(read)") }
        }
      })
    #expect(board[0] == endpoint(20_000))
  }
}
