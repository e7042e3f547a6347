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
    try #require(remove(device.name))
    #expect(throws: KernelError("read of the TUN queue", errno: EBADFD)) {
      for _ in 0..<10 {
        try rig.turn(until: guise_now() + 20_000_000)
        while rig.nextArrival() != nil {}
      }
    }
  }

  /// RTM_DELLINK (rtnetlink(7)), as `ip link delete` sends it.
  private func remove(_ name: String) -> Bool {
    let netlink = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { close(netlink) }
    // nlmsghdr: length, type and flags (NLM_F_REQUEST | NLM_F_ACK), sequence, port. ifinfomsg: index third.
    let request: [UInt32] = [32, 17 | 5 << 16, 1, 0, 0, unsafe if_nametoindex(name), 0, 0]
    guard unsafe send(netlink, request, 32, 0) == 32 else { return false }
    var answer = [Int32](repeating: -1, count: 64)
    // NLMSG_ERROR with error 0 is the acknowledgement.
    return unsafe recv(netlink, &answer, 256, 0) >= 20 && answer[4] == 0
  }
}
