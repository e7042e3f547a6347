"""What iperf3 reports, and the comparison with wireguard-go alone."""

import unittest

import wireguard
from harness.programs import BenchFailure

REPORT = """{"start": {}, "intervals": [], "end": {
  "sum_sent": {"bytes": 260000000, "bits_per_second": 1000000000.5, "retransmits": 3},
  "sum_received": {"bytes": 250000000, "bits_per_second": 990000000.25}}}"""


class ReportTests(unittest.TestCase):
    def test_what_arrived_counts(self) -> None:
        self.assertEqual(wireguard.rate(REPORT), 990_000_000.25)

    def test_a_failure_is_told_in_its_own_words(self) -> None:
        with self.assertRaisesRegex(BenchFailure, "unable to connect"):
            wireguard.rate('{"start": {}, "error": "unable to connect to server"}')

    def test_no_report_is_a_failure(self) -> None:
        with self.assertRaisesRegex(BenchFailure, "no JSON"):
            wireguard.rate("")


class ComparisonTests(unittest.TestCase):
    rounds = [
        {"direct": {"up": 100e6, "reverse": 100e6}, "epoll": {"up": 110e6, "reverse": 50e6}},
        # The machine is slower by half: the ratio is not.
        {"direct": {"up": 50e6, "reverse": 200e6}, "epoll": {"up": 55e6, "reverse": 180e6}},
        {"direct": {"up": 100e6, "reverse": 100e6}, "epoll": {"up": 90e6, "reverse": 94e6}},
    ]

    def test_ratios_are_of_the_same_round(self) -> None:
        up, reverse = wireguard.comparisons(["epoll"], self.rounds)
        self.assertEqual((up.ratio.median, up.ratio.low, up.ratio.high), (1.1, 0.9, 1.1))
        self.assertEqual(reverse.ratio.median, 0.9)
        self.assertIn("| epoll | up | 100 (50...100) | 90 (55...110) | 1.10 (0.90...1.10) |", up.row())
        self.assertEqual(up.as_dict()["overGuiseBitsPerSecond"], [110e6, 55e6, 90e6])

    def test_a_median_below_the_bound_is_told(self) -> None:
        up, reverse = wireguard.comparisons(["epoll"], self.rounds)
        self.assertIsNone(up.complaint())
        self.assertEqual(reverse.complaint(), "epoll, reverse: 0.900 of wireguard-go alone")


if __name__ == "__main__":
    unittest.main()
