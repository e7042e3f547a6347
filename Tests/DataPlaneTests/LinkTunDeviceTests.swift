import CLiburing
import Glibc
import Testing

@testable import DataPlane

private let mayMakeDevices = unsafe geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0

/// Devices made here are never brought up; they go with their descriptors.
@Suite(.serialized, .enabled(if: mayMakeDevices))
struct LinkTunDeviceTests {
  @Test func aDeviceHasItsQueuesMTUAndOffload() throws {
    let device = try TunDevice.create(
      name: "gctest%d", queueCount: 3, mtu: 1400, transmitQueueLength: 4096, offload: true)
    #expect(device.name.hasPrefix("gctest"))
    #expect(device.queues.count == 3)
    #expect(device.offload)
    #expect(unsafe guise_link_get_mtu(device.name) == 1400)
    #expect(try queueLength(device.name) == 4096)
    for queue in device.queues {
      #expect(fcntl(queue, F_GETFL) & O_NONBLOCK != 0)
      #expect(fcntl(queue, F_GETFD) & FD_CLOEXEC != 0)
    }
    device.close()
    #expect(isRemoved(device.name))
  }

  @Test func aPatternGivesEachDeviceANameOfItsOwn() throws {
    let first = try create("gctest%d")
    defer { first.close() }
    let second = try create("gctest%d")
    defer { second.close() }
    #expect(first.name != second.name)
  }

  @Test func aTakenNameIsRefusedAndTheOtherDeviceStays() throws {
    let first = try create("gctaken")
    defer { first.close() }
    #expect(throws: KernelError("ioctl(TUNSETIFF, gctaken)", errno: EBUSY)) { try create("gctaken") }
    #expect(unsafe guise_link_get_mtu("gctaken") == 1500)
  }

  @Test func aRefusedMTULeavesNoDevice() throws {
    #expect(throws: KernelError.self) {
      try TunDevice.create(
        name: "gcmtu", queueCount: 2, mtu: 1_000_000, transmitQueueLength: 500, offload: false)
    }
    #expect(isRemoved("gcmtu"))
  }

  @Test func aNameTooLongForTheKernelIsRefused() {
    #expect(throws: KernelError.self) { try create("a-name-of-16-byt") }
    #expect(throws: KernelError.self) { try create("") }
  }

  @Test func aDeviceThatSomebodyRemovesIsGoneForWhoHasItsQueues() throws {
    let device = try create("gcgone")
    defer { device.close() }
    try device.check()
    try #require(removeLink("gcgone"))
    #expect(throws: KernelError("ioctl(TUNGETIFF)", errno: EBADFD)) { try device.check() }
  }

  /// A device goes with its last descriptor, which a program that another test starts has too until its exec.
  private func isRemoved(_ name: String) -> Bool {
    for _ in 0..<400 {
      if unsafe guise_link_get_mtu(name) == -ENODEV { return true }
      usleep(5000)
    }
    return false
  }

  private func create(_ name: String) throws(KernelError) -> TunDevice {
    try TunDevice.create(name: name, queueCount: 1, mtu: 1500, transmitQueueLength: 500, offload: false)
  }

  private func queueLength(_ name: String) throws -> Int? {
    let file = unsafe open("/sys/class/net/\(name)/tx_queue_len", O_RDONLY)
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 32)
    let count = unsafe read(file, &text, text.count)
    return Int(String(decoding: text.prefix(max(count, 0)).prefix { $0 > 32 }, as: UTF8.self))
  }
}

/// RTM_DELLINK (rtnetlink(7)), as `ip link delete` sends it.
func removeLink(_ name: String) -> Bool {
  let netlink = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  defer { close(netlink) }
  // nlmsghdr: length, type and flags (NLM_F_REQUEST | NLM_F_ACK), sequence, port. ifinfomsg: index third.
  let request: [UInt32] = [32, 17 | 5 << 16, 1, 0, 0, unsafe if_nametoindex(name), 0, 0]
  guard unsafe send(netlink, request, 32, 0) == 32 else { return false }
  var answer = [Int32](repeating: -1, count: 64)
  // NLMSG_ERROR with error 0 is the acknowledgement.
  return unsafe recv(netlink, &answer, 256, 0) >= 20 && answer[4] == 0
}
