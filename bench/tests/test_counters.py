"""The table that guise prints at its end, and its books."""

import unittest

from harness.counters import CounterTable
from harness.meters import SystemCallCount
from harness.programs import BenchFailure

LOG = """2026-01-01T00:00:00.000Z notice   ready: UDP 127.0.0.1:5000 -> TCP 192.0.2.2:4567
                              all     worker 0     worker 1
  datagrams in                103            3          100
  datagrams out                 0            0            0
  segments in                   4            4            0
  segments out                101            3           98
  control segments in           4            4            0
  dropped:
!   datagram-too-large          2            0            2
    handoff-full                0            0            0
    bad-checksum                0            0            0
"""


class CounterTableTests(unittest.TestCase):
    def test_the_first_column_is_the_sum_of_the_workers(self) -> None:
        table = CounterTable(LOG)
        self.assertEqual(table["datagrams in"], 103)
        self.assertEqual(table.drops["datagram-too-large"], 2)

    def test_each_worker_has_a_column_unless_it_is_the_only_one(self) -> None:
        self.assertEqual(CounterTable(LOG).workers["datagrams in"], [3, 100])
        alone = "all\n  datagrams in                103\n  dropped:\n    handoff-full                0\n"
        self.assertEqual(CounterTable("      " + alone).workers["datagrams in"], [103])

    def test_books_that_balance_pass(self) -> None:
        CounterTable(LOG).check("client")

    def test_a_datagram_that_vanished_is_found(self) -> None:
        with self.assertRaisesRegex(BenchFailure, "1 datagrams and 0 segments unaccounted"):
            CounterTable(LOG.replace("segments out                101", "segments out                100")).check("client")

    def test_the_last_table_of_a_log_counts(self) -> None:
        self.assertEqual(CounterTable(LOG + LOG.replace("103  ", "203  "))["datagrams in"], 203)

    def test_a_log_without_a_table_is_a_failure(self) -> None:
        with self.assertRaises(BenchFailure):
            CounterTable("notice ready\n")

    def test_what_is_not_zero_is_kept(self) -> None:
        self.assertNotIn("bad-checksum", CounterTable(LOG).as_dict())


class SystemCallTests(unittest.TestCase):
    def test_the_count_is_read_from_perf(self) -> None:
        self.assertEqual(SystemCallCount._parse("# started\n\n4711,,raw_syscalls:sys_enter,100,100.00,,\n"), 4711)

    def test_what_perf_could_not_count_is_nothing(self) -> None:
        self.assertIsNone(SystemCallCount._parse("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"))


if __name__ == "__main__":
    unittest.main()
