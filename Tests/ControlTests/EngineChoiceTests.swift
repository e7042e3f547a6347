import DataPlane
import Glibc
import Logging
import Testing

@testable import Control

@Suite struct EngineChoiceTests {
  private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  /// A `/proc/sys` without any parameter.
  private let noSysctl = Sysctl(root: "/nonexistent")

  private func choose(_ asked: EngineKind?, refusal: KernelError?) throws(SetupError) -> EngineKind {
    try EngineChoice.engine(asked: asked, log, sysctl: noSysctl) { (_) throws(KernelError) in
      if let refusal { throw refusal }
    }
  }

  private static let refusals: [(KernelError, UringRefusal)] = [
    (KernelError("io_uring_setup", errno: EPERM), .filtered),
    (
      KernelError("io_uring_setup", errno: ENOSYS),
      .tooOld(KernelError("io_uring_setup", errno: ENOSYS))
    ),
    (
      KernelError("io_uring_setup", errno: EINVAL),
      .tooOld(KernelError("io_uring_setup", errno: EINVAL))
    ),
    (
      KernelError("io_uring operation READ_MULTISHOT (Linux 6.7)", errno: ENOSYS),
      .tooOld(KernelError("io_uring operation READ_MULTISHOT (Linux 6.7)", errno: ENOSYS))
    ),
    (
      KernelError("io_uring_setup", errno: ENOMEM),
      .lockedMemory(KernelError("io_uring_setup", errno: ENOMEM))
    ),
  ]

  @Test func ioUringIsTakenWhereItWorks() throws {
    #expect(try choose(nil, refusal: nil) == .uring)
    #expect(try choose(.uring, refusal: nil) == .uring)
  }

  @Test func epollIsTakenWhereAskedForWithoutTryingTheOther() throws {
    #expect(try choose(.epoll, refusal: KernelError("io_uring_setup", errno: EIO)) == .epoll)
  }

  @Test(arguments: refusals) func whereIoUringIsRefusedEpollStepsInUnlessItWasAskedFor(
    error: KernelError, refusal: UringRefusal
  ) throws {
    #expect(try choose(nil, refusal: error) == .epoll)
    #expect(throws: SetupError.engineUnavailable(refusal)) { try choose(.uring, refusal: error) }
  }

  @Test(arguments: [EMFILE, ENFILE, EIO]) func whatIsNoRefusalOfIoUringIsNotTakenForOne(errno: Int32) {
    for asked in [nil, EngineKind.uring] {
      let error = #expect(throws: SetupError.self) {
        try choose(asked, refusal: KernelError("io_uring_register(FILES2) of 9 slots", errno: errno))
      }
      #expect(!"\(error!)".contains("io_uring_disabled") && !"\(error!)".contains("6.7"))
    }
  }

  @Test func theSysctlThatForbidsItIsNamedWithItsValue() throws {
    let root = "/tmp/guise-test-sysctl-\(getpid())"
    _ = unsafe (mkdir(root, 0o700), mkdir("\(root)/kernel", 0o700))
    defer { _ = unsafe (unlink("\(root)/kernel/io_uring_disabled"), rmdir("\(root)/kernel"), rmdir(root)) }
    for (value, refusal) in [("2\n", UringRefusal.disabled("2")), ("0\n", .filtered)] {
      let file = unsafe open("\(root)/kernel/io_uring_disabled", O_CREAT | O_TRUNC | O_WRONLY, 0o600)
      #expect(unsafe write(file, value, value.utf8.count) == value.utf8.count)
      close(file)
      let error = KernelError("io_uring_setup", errno: EPERM)
      #expect(UringRefusal(error, sysctl: Sysctl(root: root)) == refusal)
    }
    #expect("\(SetupError.engineUnavailable(.disabled("2")))".contains("kernel.io_uring_disabled is 2"))
  }
}

@Suite struct LockedMemoryTests {
  private func privileges(_ effective: UInt64) -> Privileges {
    Privileges(status: ["CapEff:\t\(String(effective, radix: 16))"], isRoot: true)
  }

  @Test func whoMayLockMemoryHasRingsForAnyNumberOfWorkers() throws {
    try LockedMemory.require(workers: 1 << 20, privileges(CapabilityMask.lockedMemory))
  }

  @Test func othersHaveAsManyAsTheLimitAllows() throws {
    var limit = rlimit()
    let resource = __rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue)
    try #require(unsafe getrlimit(resource, &limit) == 0)
    guard limit.rlim_max < 1 << 40 else { return }
    let most = Int(limit.rlim_max) / UringProbe.lockedBytes
    try LockedMemory.require(workers: most, privileges(0))
    let error = #expect(throws: KernelError.self) {
      try LockedMemory.require(workers: most + 1, privileges(0))
    }
    #expect(error.flatMap { UringRefusal($0) } == .lockedMemory(error!))
  }
}
