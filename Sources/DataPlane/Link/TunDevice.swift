internal import CLiburing
internal import Glibc

/// The queues of one multi-queue TUN device that this process made, one for each worker.
///
/// The kernel removes the device when the last queue is closed, unless it was told to keep it. Packets come and go behind a vnet header
/// of 12 bytes (`VirtioNetHeader`); descriptors are non-blocking and close-on-exec.
/// Source: Documentation/networking/tuntap.rst, drivers/net/tun.c.
package struct TunDevice: Sendable {
  /// The name that the kernel settled on.
  package let name: String
  /// One descriptor per queue; whoever uses the device owns and closes them.
  package let queues: [Int32]
  /// Whether the device takes and gives super-packets.
  package private(set) var offload: Bool
  /// Whether the kernel numbers the queues as they are here: those of another process may have been before them.
  package private(set) var isOrdered: Bool

  /// Most bytes of a device name, without the terminator (IFNAMSIZ - 1).
  package static let nameLengthMax = 15
  /// Most queues that one device can have (MAX_TAP_QUEUES).
  package static let queueCountMax = 256

  private static let vnetHeaderSize: Int32 = 12

  /// Makes a device that did not exist before; a name that is taken throws `EBUSY`.
  ///
  /// `name` may hold one `%d`, for which the kernel puts the first free number. `transmitQueueLength`
  /// counts packets that may wait in each queue. Offload falls back to none when the kernel refuses it.
  /// Everything is closed again when anything throws.
  package static func create(
    name: String, queueCount: Int, mtu: Int, transmitQueueLength: Int, offload: Bool
  ) throws(KernelError) -> TunDevice {
    precondition((1...queueCountMax).contains(queueCount), "a device has 1...256 queues")
    guard (1...nameLengthMax).contains(name.utf8.count) else {
      throw KernelError("ioctl(TUNSETIFF, \(name))", errno: ENAMETOOLONG)
    }

    var queues: [Int32] = []
    queues.reserveCapacity(queueCount)
    do throws(KernelError) {
      let (first, realName) = try attach(name, isNew: true)
      queues.append(first)
      let offloads = try shape(first, offload: offload)
      try KernelError.check(
        "ioctl(SIOCSIFMTU, \(mtu))", unsafe guise_link_set_mtu(realName, Int32(clamping: mtu)))
      // Before the other queues attach: each takes its ring's size from this.
      try KernelError.check(
        "ioctl(SIOCSIFTXQLEN)",
        unsafe guise_link_set_tx_queue_length(realName, Int32(clamping: transmitQueueLength)))

      while queues.count < queueCount {
        queues.append(try attach(realName, isNew: false).descriptor)
      }
      return TunDevice(name: realName, queues: queues, offload: offloads, isOrdered: true)
    } catch {
      for queue in queues { Glibc.close(queue) }
      throw error
    }
  }

  /// Opens queues of a device that another process of guise made and may still have queues of. Until `enter` no packet
  /// comes to them, and the device is as it was.
  package static func join(name: String, queueCount: Int, offload: Bool) throws(KernelError) -> TunDevice {
    var queues: [Int32] = []
    do throws(KernelError) {
      for _ in 0..<queueCount {
        queues.append(try attach(name, isNew: false).descriptor)
        try KernelError.check("ioctl(TUNSETQUEUE)", guise_tun_set_queue(queues[queues.count - 1], 0))
      }
      return TunDevice(name: name, queues: queues, offload: offload, isOrdered: false)
    } catch {
      for queue in queues { Glibc.close(queue) }
      throw error
    }
  }

  /// Takes part in the device that was joined, which goes by this MTU from now on, and by offload as this process has
  /// asked for it. Offload falls back to none when the kernel refuses it.
  package mutating func enter(mtu: Int) throws(KernelError) {
    for (index, queue) in queues.enumerated() {
      try KernelError.check("ioctl(TUNSETQUEUE)", guise_tun_set_queue(queue, 1))
      if index == 0 { isOrdered = Self.has(1, name) }
    }
    offload = try Self.shape(queues[0], offload: offload)
    try KernelError.check(
      "ioctl(SIOCSIFMTU, \(mtu))", unsafe guise_link_set_mtu(name, Int32(clamping: mtu)))
  }

  /// Whether the device that the queue is of takes and gives super-packets, which all have a vnet header.
  private static func shape(_ queue: Int32, offload: Bool) throws(KernelError) -> Bool {
    try KernelError.check(
      "ioctl(TUNSETVNETHDRSZ)", guise_tun_set_vnet_header_size(queue, vnetHeaderSize))
    let offloads = offload && guise_tun_set_offload(queue, 1) == 0
    if !offloads { try KernelError.check("ioctl(TUNSETOFFLOAD)", guise_tun_set_offload(queue, 0)) }
    return offloads
  }

  /// Removes a device that was kept when its process was killed.
  package static func removeKept(name: String) throws(KernelError) {
    let device = try attach(name, isNew: false).descriptor
    defer { Glibc.close(device) }
    try keep(device, false)
  }

  /// Whether there is such a device that is up and that no process has a queue of: it has no carrier
  /// (`tun_detach` in drivers/net/tun.c). Never, where sysfs(5) does not show it.
  package static func isForsaken(_ name: String) -> Bool {
    let isTun = unsafe access("/sys/class/net/\(name)/tun_flags", F_OK) == 0
    let file = unsafe open("/sys/class/net/\(name)/carrier", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { Glibc.close(file) }
    var carrier: UInt8 = 0
    return unsafe isTun && read(file, &carrier, 1) == 1 && carrier == UInt8(ascii: "0")
  }

  /// Whether the device stays when this process ends without closing it in order (TUNSETPERSIST).
  package func keep(_ isKept: Bool) throws(KernelError) { try Self.keep(queues[0], isKept) }

  static func keep(_ queue: Int32, _ isKept: Bool) throws(KernelError) {
    try KernelError.check("ioctl(TUNSETPERSIST)", guise_tun_set_persistent(queue, isKept ? 1 : 0))
  }

  /// Throws EBADFD once somebody has removed the device.
  package func check() throws(KernelError) {
    try KernelError.check("ioctl(TUNGETIFF)", guise_tun_check(queues[0]))
  }

  // MARK: - Which packet comes to which queue

  /// Has a program choose the queue of each packet, by the numbers that the kernel gave the queues; nil: the one that
  /// wrote the packet's flow last. It stays with the device.
  package func steer(by program: Int32?) throws(KernelError) {
    try KernelError.check("ioctl(TUNSETSTEERINGEBPF)", guise_tun_set_steering(queues[0], program ?? -1))
  }

  /// Whether no other process has queues of the device. Never, where sysfs(5) does not show it.
  package var isAlone: Bool { Self.has(queues.count, name) }

  private static func has(_ count: Int, _ name: String) -> Bool {
    func exists(_ number: Int) -> Bool {
      unsafe access("/sys/class/net/\(name)/queues/tx-\(number)", F_OK) == 0
    }
    return exists(count - 1) && !exists(count)
  }

  /// Has the kernel number the queues as they are here, where no other process has any. What waits in them, but for the
  /// first, is lost.
  package func putInOrder() throws(KernelError) {
    var refusal: Int32 = 0
    // A queue that is attached becomes the last one.
    for isAttached in [Int32(0), 1] {
      for queue in queues.dropFirst() { refusal = min(refusal, guise_tun_set_queue(queue, isAttached)) }
    }
    try KernelError.check("ioctl(TUNSETQUEUE)", refusal)
  }

  /// Closes every queue, which removes a device that is not kept. For whoever still owns the descriptors.
  package func close() {
    for queue in queues { Glibc.close(queue) }
  }

  /// Opens one queue of the device `name`, which must not exist yet when `isNew`.
  private static func attach(
    _ name: String, isNew: Bool
  ) throws(KernelError) -> (descriptor: Int32, name: String) {
    let descriptor = try KernelError.check("open(/dev/net/tun)", guise_tun_open())
    var buffer = [CChar](repeating: 0, count: Int(GUISE_TUN_NAME_MAX))
    for (index, byte) in name.utf8.enumerated() { buffer[index] = CChar(bitPattern: byte) }
    let result = unsafe guise_tun_attach(descriptor, &buffer, isNew ? 1 : 0)
    guard result >= 0 else {
      Glibc.close(descriptor)
      throw KernelError("ioctl(TUNSETIFF, \(name))", errno: -result)
    }
    let bytes = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    return (descriptor, String(decoding: bytes, as: UTF8.self))
  }
}
