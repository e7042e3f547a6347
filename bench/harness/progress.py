"""A line for each measurement, and how long the rest will take."""

import time


class Progress:
    """Learns from what measurements took in comparison to what was expected of them."""

    def __init__(self, expected_total: float, count: int):
        self.left = expected_total
        self.count = count
        self.done = 0
        self.expected = 0.0
        self.taken = 0.0
        self.begin = time.monotonic()

    def skip(self, expected: float) -> None:
        """Notes a measurement that an earlier run has made."""
        self.done += 1
        self.left -= expected

    def note(self, title: str, figures: str, expected: float, taken: float) -> None:
        self.done += 1
        self.left -= expected
        self.expected += expected
        self.taken += taken
        rest = self.left * self.taken / self.expected
        shown = f"{rest / 60:.0f} min left" if rest >= 90 else f"{rest:.0f} s left"
        print(f"[{self.done:>{len(str(self.count))}}/{self.count}] {title:<52} {figures:<46} {shown}", flush=True)
