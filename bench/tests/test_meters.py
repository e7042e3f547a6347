import os
import time
import unittest

from harness.meters import cpu_time


class CPUTimeTests(unittest.TestCase):
    def test_less_than_a_tick_shows(self) -> None:
        """A tick is 10 ms; this burns 4 ms."""
        before, clock = cpu_time([os.getpid()]), time.process_time()
        while time.process_time() < clock + 0.004:
            pass
        time.sleep(0.001)  # Brings the kernel's sum up to date.
        spent = cpu_time([os.getpid()]) - before
        self.assertGreater(spent.user + spent.system, 0.003)
        self.assertLess(spent.user + spent.system, 0.1)

    def test_who_sleeps_spends_little(self) -> None:
        before = cpu_time([os.getpid()])
        time.sleep(0.2)
        spent = cpu_time([os.getpid()]) - before
        self.assertLess(spent.user + spent.system, 0.05)
        self.assertGreaterEqual(spent.busy, 0)


if __name__ == "__main__":
    unittest.main()
