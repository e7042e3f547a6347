/* What a thread may still do: its user, its capabilities, its system calls. All calls are about the calling
 * thread alone, where the C library's would be about the process. They return 0 (or a value) or -errno. */
#ifndef GUISE_CONFINE_H
#define GUISE_CONFINE_H

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>

/* What seccomp_data.arch says of this program's own calls; a macro of macros. */
#if defined __x86_64__
static const uint32_t guise_audit_arch = AUDIT_ARCH_X86_64;
#elif defined __aarch64__
static const uint32_t guise_audit_arch = AUDIT_ARCH_AARCH64;
#elif defined __riscv && __riscv_xlen == 64
static const uint32_t guise_audit_arch = AUDIT_ARCH_RISCV64;
#else
#error "name the AUDIT_ARCH_* of this machine (linux/audit.h)"
#endif

/* setgroups(2) to none, setresgid(2), setresuid(2). */
int guise_thread_become(uint32_t user, uint32_t group);

/* PR_SET_KEEPCAPS: permitted capabilities outlive the change from root to another user. */
int guise_thread_keep_capabilities(void);

/* capset(2): `own` are permitted and effective, `inheritable` may pass to programs. Masks of 1 << CAP_*. */
int guise_thread_set_capabilities(uint64_t own, uint64_t inheritable);

/* PR_CAPBSET_DROP: no program that the thread runs gets it. -EINVAL behind the last that the kernel knows. */
int guise_thread_forbid_capability(int capability);

/* PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_RAISE: programs that the thread runs have it at once. */
int guise_thread_clear_ambient(void);
int guise_thread_raise_ambient(int capability);

/* PR_SET_NO_NEW_PRIVS. */
int guise_thread_refuse_new_privileges(void);

/* seccomp(2), SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_*. */
int guise_thread_filter_calls(const struct sock_filter *program, uint16_t count, uint32_t flags);

/* PR_SET_PDEATHSIG: what the process gets when the thread that started it ends. A change of user clears it. */
int guise_signal_when_parent_ends(int signal);

/* SECCOMP_GET_ACTION_AVAIL: 0 when the kernel has filters and this action. */
int guise_has_filter_action(uint32_t action);

#endif
