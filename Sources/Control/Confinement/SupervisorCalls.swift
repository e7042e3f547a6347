internal import CLiburing
internal import Glibc

/// What the main thread, and the programs that it runs, may never ask of the kernel.
///
/// A list of what is forbidden: the C library, Swift's runtime, name resolution, `ip` and `nft` make calls that
/// are theirs to choose.
enum SupervisorCalls {
  static let filter = SystemCallFilter(
    rules: forbidden.map { SystemCallFilter.Rule(call: $0, verdict: .refuse(EPERM)) } + [
      // Its flags lie in memory that no filter can look at: the C library goes on with clone(2).
      SystemCallFilter.Rule(call: SYS_clone3, verdict: .refuse(ENOSYS)),
      SystemCallFilter.Rule(
        call: SYS_clone, verdict: .allow, conditions: [.argument(0, masked: newNamespaces, is: 0)]),
      SystemCallFilter.Rule(call: SYS_clone, verdict: .refuse(EPERM)),
      // Whether others have come to have programs where packets come in.
      SystemCallFilter.Rule(
        call: SYS_bpf, verdict: .allow, conditions: [.argument(0, is: Int32(BPF_PROG_QUERY.rawValue))]),
      SystemCallFilter.Rule(call: SYS_bpf, verdict: .refuse(EPERM)),
    ],
    otherwise: .allow, isLogged: false)

  /// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h).
  private static let newNamespaces: UInt32 = 0x7e02_0000

  private static let forbidden =
    otherProcesses + [
      // Code in the kernel, or as good as that.
      SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
      SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup,
      // Another view of the file system, or other namespaces.
      SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen,
      SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_setns, SYS_unshare,
      SYS_open_by_handle_at,
      // Another user.
      SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups,
      SYS_setfsuid, SYS_setfsgid,
      // The host's clock, name, swap and accounts.
      SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname,
      SYS_setdomainname, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl, SYS_syslog,
      SYS_add_key, SYS_request_key, SYS_keyctl, SYS_personality,
    ]

  private static let otherProcesses = [
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise,
  ]
}
