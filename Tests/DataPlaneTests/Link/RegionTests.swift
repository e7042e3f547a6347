import Glibc
import Testing

@testable import DataPlane

@Suite struct RegionTests {
  @Test(arguments: [(0, 4_096), (1, 4_096), (4_096, 4_096), (4_097, 8_192), (1 << 20, 1 << 20)])
  func `it holds at least what was asked for, in whole pages, all zero`(asked: Int, given: Int) throws {
    let region = try Region(byteCount: asked)
    #expect(region.byteCount == given)
    #expect(unsafe UInt(bitPattern: region.base) % 4_096 == 0)
    let bytes = unsafe UnsafeRawBufferPointer(start: region.base, count: region.byteCount)
    #expect(unsafe bytes.allSatisfy { $0 == 0 })
  }

  @Test func `an array of values has room for all of them`() throws {
    let region = try Region.array(of: UInt64.self, count: 1_000)
    let values = unsafe region.bound(to: UInt64.self)
    for index in 0..<1_000 { unsafe values[index] = UInt64(index) }
    for index in 0..<1_000 { #expect(unsafe values[index] == UInt64(index)) }
  }

  @Test func `regions do not overlap`() throws {
    let first = try Region(byteCount: 10_000)
    let second = try Region(byteCount: 10_000)
    let distance = unsafe abs(Int(bitPattern: first.base) - Int(bitPattern: second.base))
    #expect(distance >= first.byteCount)
  }

  @Test func `memory that there is no room for is refused with its size`() {
    #expect(throws: KernelError("mmap of \(1 << 60) bytes", errno: ENOMEM)) {
      _ = try Region(byteCount: 1 << 60)
    }
  }

  @Test func `untouched memory costs address space alone`() throws {
    // 64 GiB, of which one page is used.
    let region = try Region(byteCount: 1 << 36)
    unsafe region.base.storeBytes(of: 1, as: UInt8.self)
    #expect(region.byteCount == 1 << 36)
  }
}
