"""Stacks from perf, made whole, and the areas that they belong to."""

import unittest
from collections import Counter

from harness import areas, stacks
from harness.stacks import Sample

KERNEL = "([kernel.kallsyms])"
OWN = "(/x/guise)"

#: Two samples as `perf script` prints them: one whole, one that liburing broke.
SCRIPT = f"""guise-0  100/101
\tffffffff81000001 tun_get_user {KERNEL}
\tffffffff81000002 do_syscall_64 {KERNEL}
\t    7f0000000001 __GI___writev@GLIBC_2.2.5 (/usr/lib/libc.so.6)
\t          400001 $s6Worker4turn {OWN}
\t          400002 $s7Gateway3run {OWN}
\t    7f0000000002 start_thread (/usr/lib/libc.so.6)

guise-0  100/101
\tffffffff81000003 _copy_to_iter {KERNEL}
\tffffffff81000004 udp_recvmsg {KERNEL}
\tffffffff81000005 io_recvmsg {KERNEL}
\t          400003 _io_uring_get_cqe {OWN}
\t    7f0000000003 [unknown] ([unknown])
"""

WRITE, RECEIVE = stacks._whole(stacks._parsed(SCRIPT.splitlines(), "guise"))


class StackTests(unittest.TestCase):
    def test_stacks_begin_with_the_outermost_function(self) -> None:
        self.assertEqual(WRITE, Sample(100, "guise-0", (
            "start_thread", "$s7Gateway3run_[j]", "$s6Worker4turn_[j]", "__GI___writev", "do_syscall_64_[k]",
            "tun_get_user_[k]")))

    def test_a_broken_stack_hangs_under_what_whole_ones_share(self) -> None:
        self.assertEqual(RECEIVE.stack[:4], (
            "start_thread", "$s7Gateway3run_[j]", "$s6Worker4turn_[j]", "_io_uring_get_cqe"))

    def test_workers_are_one(self) -> None:
        folded = stacks.folded([Sample(1, "guise-0", ("a",)), Sample(1, "guise-1", ("a",))])
        self.assertEqual(folded, Counter({("guise-worker", "a"): 2}))

    def test_a_difference_is_scaled_to_the_same_work(self) -> None:
        lines = stacks.difference(Counter({("a",): 10}), Counter({("a",): 9, ("b",): 1}), 0.5)
        self.assertEqual(lines, "a 5 9\nb 0 1\n")

    def test_names_lose_what_the_optimiser_added(self) -> None:
        self.assertEqual(stacks.plain("specialized Worker<>.turn(until:)"), "Worker.turn(until:)")
        self.assertEqual(stacks.plain("partial apply for closure #1 in Gateway.start()"), "closure #1 in Gateway.start()")


class AreaTests(unittest.TestCase):
    def test_a_sample_belongs_to_the_operation_asked_for(self) -> None:
        self.assertEqual(areas.path_of(WRITE.stack), "TUN write")
        self.assertEqual(areas.path_of(RECEIVE.stack), "UDP receive")
        self.assertEqual(areas.path_of(("start_thread", "Worker.turn(until:)_[j]")), areas.USER_OWN)

    def test_what_a_write_causes_at_the_other_end_is_told_apart(self) -> None:
        self.assertEqual(areas.path_of(("a_[k]", "tun_get_user_[k]", "process_backlog_[k]", "ip_rcv_[k]")),
                         "TUN write: the far side's half")

    def test_the_task_is_told_by_the_innermost_functions(self) -> None:
        self.assertEqual(areas.task_of(RECEIVE.stack), "copying payload")
        self.assertIsNone(areas.task_of(("start_thread", "Worker.turn(until:)_[j]")))

    def test_locks_count_for_the_function_around_them(self) -> None:
        self.assertEqual(areas.task_of(("sock_def_readable_[k]", "_raw_spin_unlock_irqrestore_[k]")), "wake-ups")

    def test_both_engines_have_the_same_stack_by_operation(self) -> None:
        ring = ("t", "_io_uring_get_cqe", "io_recvmsg_[k]", "sock_recvmsg_[k]", "udp_recvmsg_[k]")
        poll = ("t", "recvmmsg", "do_recvmmsg_[k]", "sock_recvmsg_[k]", "udp_recvmsg_[k]")
        self.assertEqual(areas.by_operation(ring), areas.by_operation(poll))


if __name__ == "__main__":
    unittest.main()
