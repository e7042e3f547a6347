"""Medians, ratios within rounds, and who wins."""

import unittest
from pathlib import Path

from harness.cases import CASES, title
from harness import tables
from harness.figures import number
from harness.journal import Journal
from harness.summary import Spread, references, summarise, verdict

NAMES = ["direct", "io_uring", "epoll", "io_uring, offload off", "epoll, offload off"]


def journal(*records: tuple[int, str, dict[str, object]]) -> Journal:
    rows = [{"round": turn, "case": "flood-1400-1", "contender": name, "figures": figures}
            for turn, name, figures in records]
    return Journal(Path("unused"), {"run": "test", "contenders": NAMES}, rows)


class SpreadTests(unittest.TestCase):
    def test_an_even_number_of_values_has_the_mean_of_the_middle_two_as_median(self) -> None:
        self.assertEqual(Spread.of([4, 1, 2, 3]), Spread(2.5, 1, 4, 4))

    def test_numbers_have_three_significant_digits(self) -> None:
        shown = [number(value) for value in (0, 0.01234, 0.9996, 1.005, 9.996, 99.96, 12345.6)]
        self.assertEqual(shown, ["0", "0.012", "1.00", "1.00", "10.0", "100", "12 346"])


class RatioTests(unittest.TestCase):
    def test_ratios_are_taken_within_a_round(self) -> None:
        # The machine was twice as fast in the second round: the ratio of medians would be 1.5.
        entry = summarise(journal(
            (1, "io_uring", {"goodput": 200}), (1, "epoll", {"goodput": 100}),
            (2, "io_uring", {"goodput": 400}), (2, "epoll", {"goodput": 200}),
            (3, "epoll", {"goodput": 200}),
        ), CASES)[0].entries["io_uring"]
        self.assertEqual(entry.ratio("epoll", "goodput"), Spread(2, 2, 2, 2))

    def test_less_CPU_time_makes_a_ratio_above_one(self) -> None:
        entry = summarise(journal(
            (1, "io_uring", {"microsPerDatagram": 2.0}), (1, "epoll", {"microsPerDatagram": 3.0}),
        ), CASES)[0].entries["io_uring"]
        self.assertEqual(entry.ratio("epoll", "microsPerDatagram"), Spread(1.5, 1.5, 1.5, 1))

    def test_nothing_is_compared_with_what_delivered_nothing(self) -> None:
        entry = summarise(journal(
            (1, "io_uring", {"goodput": 200}), (1, "epoll", {"goodput": 0}),
        ), CASES)[0].entries["io_uring"]
        self.assertIsNone(entry.ratio("epoll", "goodput"))

    def test_the_last_measurement_of_a_round_counts(self) -> None:
        entry = summarise(journal(
            (1, "epoll", {"goodput": 1}), (1, "epoll", {"goodput": 3}),
        ), CASES)[0].entries["epoll"]
        self.assertEqual(entry.figures["goodput"].median, 3)

    def test_system_calls_of_their_own_runs_join_the_rounds(self) -> None:
        entry = summarise(journal(
            (0, "epoll", {"systemCalls": 2.5}), (1, "epoll", {"goodput": 1}),
        ), CASES)[0].entries["epoll"]
        self.assertEqual((entry.median("systemCalls"), entry.median("goodput")), (2.5, 1))

    def test_an_engine_is_compared_with_epoll_at_the_same_offload(self) -> None:
        self.assertEqual(references("io_uring, offload off", NAMES), ["direct", "epoll, offload off"])
        self.assertEqual(references("epoll", NAMES), ["direct"])
        self.assertEqual(references("direct", NAMES), [])

    def test_a_second_build_is_compared_with_the_first(self) -> None:
        names = ["io_uring A", "io_uring B", "epoll A", "epoll B"]
        self.assertEqual(references("io_uring B", names), ["epoll B", "io_uring A"])


class VerdictTests(unittest.TestCase):
    def test_a_win_needs_a_margin_and_every_round(self) -> None:
        self.assertEqual(verdict(Spread(1.10, 1.01, 1.2, 5)), 1)
        self.assertEqual(verdict(Spread(1.10, 0.99, 1.2, 5)), 0)
        self.assertEqual(verdict(Spread(1.02, 1.01, 1.2, 5)), 0)
        self.assertEqual(verdict(Spread(0.90, 0.85, 0.99, 5)), -1)

    def test_fewer_than_five_rounds_decide_nothing(self) -> None:
        for count in (1, 4):
            self.assertEqual(verdict(Spread(2, 2, 2, count)), 0)
        self.assertEqual(verdict(Spread(2, 2, 2, 5)), 1)


class TableTests(unittest.TestCase):
    def test_two_builds_are_shown_against_each_other(self) -> None:
        names = ["direct", "io_uring A", "io_uring B", "epoll A", "epoll B"]
        rows = [{"round": turn, "case": "flood-1400-1", "contender": name, "figures": {"goodput": 1e9 * value}}
                for turn in (1, 2) for name, value in zip(names, (10, 20, 30, 5, 6))]
        summaries = summarise(Journal(Path("unused"), {"run": "test", "contenders": names}, rows), CASES)
        lines = [[cell.strip() for cell in line.split("|")[1:-1]]
                 for line in tables.table(summaries, tables.FLOOD).splitlines()]
        self.assertEqual(lines[0][2:], ["Gbit/s", "× direct", "× epoll", "× A"])
        cells = {line[1]: line[2:] for line in lines[2:]}
        self.assertEqual(cells["io_uring A"], ["20.0", "2.00", "4.00", ""])
        self.assertEqual(cells["io_uring B"], ["30.0", "3.00", "5.00", "1.50"])
        self.assertEqual(cells["epoll B"], ["6.00", "0.600", "", "1.20"])

    def test_a_rate_that_the_sender_could_not_exceed_is_marked(self) -> None:
        rows = [{"round": 1, "case": "max-1400-1", "contender": name,
                 "figures": {"goodput": 2e9, "senderLimited": limited}} for name, limited in (("direct", 1), ("epoll", 0))]
        summaries = summarise(Journal(Path("unused"), {"run": "test", "contenders": ["direct", "epoll"]}, rows), CASES)
        text = tables.table(summaries, tables.MAXIMUM)
        self.assertIn("| direct | ≥ 2.00 |", text)
        self.assertIn("| epoll | 2.00 |", text)


class CaseTests(unittest.TestCase):
    def test_no_two_cases_share_a_name_or_a_title(self) -> None:
        self.assertEqual(len({case.name for case in CASES}), len(CASES))
        self.assertEqual(len({title(case) for case in CASES}), len(CASES))


if __name__ == "__main__":
    unittest.main()
