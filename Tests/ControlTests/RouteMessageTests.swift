import Testing

@testable import Control

@Suite struct RouteMessageTests {
  @Test func aRequestIsLaidOutAsTheKernelReadsIt() {
    var message = RouteMessage(
      .newFilter, [.acknowledge, .create], interfaceIndex: 7, handle: 2, parent: 0xffff_fff2,
      info: 0xc100_0300)
    message.add(1, "bpf")
    message.add(2) { options in
      options.add(6, 9 as UInt32)
      options.add(7, "guise")
    }
    #expect(
      message.bytes
        == [0, 0, 0, 0, 44, 0, 0x05, 0x04, 0, 0, 0, 0, 0, 0, 0, 0]
        + [0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0xf2, 0xff, 0xff, 0xff, 0, 3, 0, 0xc1]
        + [8, 0, 1, 0, 0x62, 0x70, 0x66, 0]
        + [24, 0, 2, 0, 8, 0, 6, 0, 9, 0, 0, 0, 10, 0, 7, 0, 0x67, 0x75, 0x69, 0x73, 0x65, 0, 0, 0])
    #expect(message.kind == 44 && message.handle == 2 && message.info == 0xc100_0300)
    let options = message.attributes[2].map(RouteMessage.attributes)
    #expect(options?[6].map(Array.init) == [9, 0, 0, 0])
    #expect(options?[7].map(Array.init) == Array("guise\0".utf8))
  }

  /// What is cut off or says that it is longer than it is ends the list.
  @Test func attributesThatMakeNoSenseAreNotRead() {
    #expect(RouteMessage.attributes([8, 0, 1, 0, 5, 6, 7, 8, 200, 0, 2, 0, 1]).keys.sorted() == [1])
    #expect(RouteMessage.attributes([3, 0, 1, 0, 5, 0, 2, 0, 1]).isEmpty)
    #expect(RouteMessage.attributes([8, 0, 1]).isEmpty)
    // With the flag of a nested one.
    #expect(RouteMessage.attributes([5, 0, 2, 0x80, 1, 0, 0, 0]).keys.sorted() == [2])
  }
}
