"""What the time of a gateway goes into: a rule for each area, and a table."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from .figures import number
from .stacks import KERNEL, OWN, Stack


@dataclass(frozen=True)
class Area:
    """A part of the profile. A sample belongs to the first area one of whose functions is in its stack."""

    name: str
    functions: re.Pattern[str]


def _area(name: str, *functions: str) -> Area:
    return Area(name, re.compile("|".join(f"(?:{function})" for function in functions)))


#: Kernel time by the operation that guise asked for. The order matters: what one operation causes at the other
#: end of the cable runs inside its call and is told apart first.
_OTHER_END = _area("", r"process_backlog", r"net_rx_action", r"__napi_poll")
_PATHS = (
    _area("interrupts", r"asm_sysvec_.*", r"asm_common_interrupt", r"sysvec_.*", r"el[01]t?_64_irq.*"),
    _area("TUN write", r"tun_get_user", r"tun_chr_write_iter"),
    _area("TUN read", r"tun_do_read.*", r"tun_chr_read_iter"),
    _area("UDP send", r"udpv?6?_sendmsg", r"udp_sendmsg", r"__sys_sendmsg.*", r"__sys_sendmmsg", r"io_sendmsg.*"),
    _area("UDP receive", r"udpv?6?_recvmsg", r"__sys_recvmmsg", r"do_recvmmsg", r"__sys_recvmsg.*", r"io_recvmsg.*"),
    _area("sleeping and waking", r"schedule", r"__schedule", r"schedule_.*", r"do_nanosleep", r"hrtimer_nanosleep"),
    _area("epoll itself", r"ep_.*", r"do_epoll_.*", r"__x64_sys_epoll_.*", r"__do_sys_epoll_.*"),
    _area("io_uring itself", r"io_.*", r"__io_.*", r"__do_sys_io_uring_enter", r"__x64_sys_io_uring_.*"),
)
#: Kernel time by what the innermost functions do, across all paths.
_FAULTS = _area("page faults", r"asm_exc_page_fault", r"exc_page_fault", r"do_mem_abort", r"el1h?_64_sync.*")
_TASKS = (
    _area("copying payload", r"_?copy_(?:to|from)_iter.*", r"copy_page_.*", r"skb_copy_datagram.*", r"__pi_memcpy",
          r"rep_movs.*", r"memcpy.*", r"copyin", r"copyout"),
    _area("message headers and their checks", r"_?copy_(?:to|from)_user.*", r"copy_msghdr_.*", r"copy_iovec_.*",
          r"move_addr_to_user", r"_*put_user_.*", r"_*get_user_.*", r"put_cmsg.*", r"_*import_iovec.*", r"_+sys_recvmsg",
          r"_+sys_sendmsg", r"__check_object_size", r"__virt_addr_valid", r"check_.*_object"),
    _area("checksums", r"csum_.*", r".*_csum", r"_*skb_checksum.*", r"ip_send_check"),
    _area("segmentation, GSO and GRO", r".*_segment", r"skb_segment.*", r".*_gso_.*", r".*_gro_.*", r"dev_gro_.*",
          r"__copy_skb_header", r"skb_headers_offset_update", r"skb_clone"),
    _area("conntrack and NAT", r"_*nf_.*", r"nft_.*", r"ipv[46]_conntrack_.*", r"tcp_packet", r"nf_conntrack.*"),
    _area("routing and lookups", r"fib_.*", r"ip_route_.*", r"__mkroute_.*", r"_*inet6?_lookup.*", r"_*udp[46]_lib_lookup.*",
          r"__skb_flow_dissect", r"udp[46]_lib_lookup.*", r"__skb_get_hash.*"),
    _area("packet memory", r"kmem_cache_.*", r"_*kmalloc.*", r"kfree.*", r"_*alloc_skb.*", r"skb_release_.*", r"_+slab_.*",
          r"sock_alloc_send_pskb", r"skb_page_frag_refill", r"page_frag_.*", r"get_page_from_freelist", r"_*alloc_pages.*",
          r"__alloc_frozen.*", r"free_unref_.*", r"__free_.*", r"consume_skb", r"_*build_skb.*", r"napi_.*_alloc.*",
          r"napi_skb_cache_.*", r"put_cpu_partial", r"memset.*", r"skb_attempt_defer_free", r"skb_defer_free_flush",
          r"__sk_mem_.*", r"sock_wfree", r"sock_def_write_space", r"__slab_free"),
    _area("wake-ups", r"try_to_wake_up", r"_*wake_up.*", r"sock_def_readable", r"ttwu_.*", r"autoremove_wake_function",
          r"ep_poll_callback", r"io_poll_wake", r"ep_autoremove_wake_function", r"default_wake_function"),
    _area("switching threads", r"schedule", r"__schedule", r"finish_task_switch.*"),
    _area("io_uring requests", r"io_.*", r"__io_.*"),
    _area("epoll", r"_*ep_.*", r"do_epoll_.*"),
)
#: Locks say nothing of what they protect; the function around them does.
_LOCKS = re.compile(r"_raw_spin_.*|.*queued_spin_.*|__local_bh_enable_ip|__rcu_read_.*lock")
#: Functions from the innermost that decide a task: beyond, they are the path, not the task.
_TIP = 3

_ENTRY, _REST = "system call entry, and the rest", "protocol layers, and the rest"
USER_OWN, USER_OTHER = "guise's own code", "libraries (liburing, libc, Swift)"


def path_of(stack: Stack) -> str:
    """The area that a sample belongs to by its operation."""
    names = [frame.removesuffix(KERNEL) for frame in stack if frame.endswith(KERNEL)]
    if not names:
        return USER_OWN if stack[-1].endswith(OWN) else USER_OTHER
    for area in _PATHS:
        if any(area.functions.fullmatch(name) for name in names):
            if area.name in ("TUN write", "UDP send") and any(_OTHER_END.functions.fullmatch(name) for name in names):
                return f"{area.name}: the far side's half"
            return area.name
    return _ENTRY


#: Where the engines' ways into an operation meet: from here on the kernel runs the same functions for both.
_MEETING = re.compile(r"tun_chr_write_iter|tun_get_user|tun_chr_read_iter|tun_do_read|sock_sendmsg.*|inet6?_sendmsg|"
                      r"udpv?6?_sendmsg|sock_recvmsg.*|inet6?_recvmsg|udpv?6?_recvmsg|schedule|__schedule")
#: The outermost functions, which are the same in every stack, and entry code, which says nothing.
_PLAIN = re.compile(r"entry_SYSCALL.*|do_syscall_64|x64_sys_call|el0.*|invoke_syscall.*|do_el0_svc")


def by_operation(stack: Stack) -> Stack:
    """A stack as both engines can have it: thread, area, and the functions from where the engines' ways meet.

    Without it a comparison shows one thing only: that every call is made from elsewhere.
    """
    area = path_of(stack)
    if not stack[-1].endswith(KERNEL) and not any(frame.endswith(KERNEL) for frame in stack):
        own = [frame for frame in stack if frame.endswith(OWN)]
        start = next((index for index, frame in enumerate(own) if frame.startswith("Worker.")), 0)
        return (stack[0], area, *own[start:], *(() if stack[-1].endswith(OWN) else stack[-1:]))
    kernel = [frame for frame in stack if frame.endswith(KERNEL)]
    for index, frame in enumerate(kernel):
        if _MEETING.fullmatch(frame.removesuffix(KERNEL)):
            return (stack[0], area, *kernel[index:])
    return (stack[0], area, *(frame for frame in kernel if not _PLAIN.fullmatch(frame.removesuffix(KERNEL))))


def task_of(stack: Stack) -> str | None:
    """What the kernel does in a sample; nothing when it is not in the kernel."""
    if not stack[-1].endswith(KERNEL):
        return None
    names = [name for frame in stack if frame.endswith(KERNEL) and not _LOCKS.fullmatch(name := frame.removesuffix(KERNEL))]
    if any(_FAULTS.functions.fullmatch(name) for name in names):
        return _FAULTS.name
    for name in reversed(names[-_TIP:]):
        for area in _TASKS:
            if area.functions.fullmatch(name):
                return area.name
    return _REST


_PATH_ORDER = (
    USER_OWN, USER_OTHER, "UDP receive", "TUN write", "TUN write: the far side's half", "TUN read", "UDP send",
    "UDP send: the far side's half", "epoll itself", "io_uring itself", "sleeping and waking", "interrupts",
    _ENTRY,
)
_TASK_ORDER = (_FAULTS.name, *(area.name for area in _TASKS), _REST)


@dataclass(frozen=True)
class Profile:
    """Samples of one gateway under one engine."""

    #: As a column's heading: "client, io_uring".
    name: str
    counts: Counter[Stack]
    #: CPU time, in microseconds a datagram, of this gateway while it was recorded.
    micros_per_datagram: float

    @property
    def total(self) -> int:
        return self.counts.total()

    def shares(self, classify: Callable[[Stack], str | None]) -> dict[str, float]:
        """Percent of all samples by area."""
        by_area: Counter[str] = Counter()
        for stack, count in self.counts.items():
            if (name := classify(stack)) is not None:
                by_area[name] += count
        return {name: 100 * count / self.total for name, count in by_area.items()}


def tables(profiles: list[Profile]) -> str:
    """Two Markdown tables, by operation and by task: percent of a gateway's CPU time, and microseconds a datagram."""
    headings = ["", *(profile.name for profile in profiles)]
    by_path = _rows(profiles, [profile.shares(path_of) for profile in profiles], _PATH_ORDER)
    by_task = _rows(profiles, [profile.shares(task_of) for profile in profiles], _TASK_ORDER)
    total = ["**all**", *(f"**100 %, {number(profile.micros_per_datagram)} us**" for profile in profiles)]
    samples = ["samples", *(str(profile.total) for profile in profiles)]
    return (
        "By what was asked of the kernel:\n\n" + _table([headings, *by_path, total, samples])
        + "\nThe kernel's part once more, by what its innermost functions do:\n\n" + _table([headings, *by_task]))


def _rows(profiles: list[Profile], shares: list[dict[str, float]], order: tuple[str, ...]) -> list[list[str]]:
    return [
        [name, *(f"{share.get(name, 0):.1f} %, {number(share.get(name, 0) / 100 * profile.micros_per_datagram)} us"
                 for profile, share in zip(profiles, shares))]
        for name in order if any(share.get(name, 0) >= 0.05 for share in shares)
    ]


def _table(rows: list[list[str]]) -> str:
    """Aligned, so that it reads as well on a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "| " + " | ".join(cell.ljust(width) if index == 0 else cell.rjust(width)
                          for index, (cell, width) in enumerate(zip(row, widths))) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 1) + (":" if index else "-") for index, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"
