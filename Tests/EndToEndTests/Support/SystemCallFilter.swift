import Glibc

/// Forbids system calls to the calling thread and to what it starts (seccomp(2)).
enum SystemCallFilter {
  /// Has io_uring_setup(2) fail with EPERM, as `kernel.io_uring_disabled` and Docker's default profile do.
  static func forbidUring() throws {
    let uringSetup: UInt32 = 425
    let program: [Instruction] = [
      Instruction(code: 0x20, operand: 0),  // load the call's number
      Instruction(code: 0x15, otherwise: 1, operand: uringSetup),  // is it the one?
      Instruction(code: 0x06, operand: 0x0005_0000 | UInt32(EPERM)),  // SECCOMP_RET_ERRNO
      Instruction(code: 0x06, operand: 0x7fff_0000),  // SECCOMP_RET_ALLOW
    ]
    let result = unsafe program.withUnsafeBufferPointer { instructions in
      var header = unsafe Header(count: UInt16(program.count), instructions: instructions.baseAddress!)
      return unsafe withUnsafePointer(to: &header) { HiddenCall.prctl(22, 2, UInt(bitPattern: $0)) }
    }
    try SystemError.check("prctl(PR_SET_SECCOMP)", result)
  }

  /// `struct sock_filter`.
  private struct Instruction {
    var code: UInt16
    var then: UInt8 = 0
    var otherwise: UInt8 = 0
    var operand: UInt32
  }

  /// `struct sock_fprog`.
  @unsafe private struct Header {
    var count: UInt16
    var instructions: UnsafePointer<Instruction>
  }
}
