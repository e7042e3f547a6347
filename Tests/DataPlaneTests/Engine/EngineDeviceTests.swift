import CLiburing
import Glibc
import Testing

@testable import DataPlane

private let mayMakeDevices = unsafe geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0

@Suite(.serialized, .enabled(if: mayMakeDevices)) struct EngineDeviceTests {
  @Test(arguments: EngineKind.allCases)
  func aDeviceThatGoesAwayEndsTheWorker(kind: EngineKind) throws {
    let device = try TunDevice.create(
      name: "getest%d", queueCount: 1, mtu: 1_500, transmitQueueLength: 500, offload: true)
    let rig = try EngineRig.make(kind, .client, tunQueue: device.queues[0])
    try rig.turn(until: 0)
    #expect(rig.nextArrival() == nil)
    try #require(removeLink(device.name))
    #expect(throws: KernelError("read of the TUN queue", errno: EBADFD)) {
      for _ in 0..<10 {
        try rig.turn(until: guise_now() + 20_000_000)
        while rig.nextArrival() != nil {}
      }
    }
  }
}
