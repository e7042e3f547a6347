"""What counts as a measurement of a case."""

import unittest

from harness.cases import bits_per_second
from harness.measurement import check_rate
from harness.programs import BenchFailure


class RateTests(unittest.TestCase):
    def test_rates_are_bits_per_second(self) -> None:
        self.assertEqual([bits_per_second(rate) for rate in ("400M", "80k", "1.5G", "max")], [4e8, 8e4, 1.5e9, None])

    def test_a_sender_that_made_less_measured_another_case(self) -> None:
        check_rate("400M", 381e6)
        check_rate("max", 1)
        with self.assertRaisesRegex(BenchFailure, "50 Mbit/s of 400"):
            check_rate("400M", 50e6)


if __name__ == "__main__":
    unittest.main()
