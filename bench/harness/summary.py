"""Medians over rounds, their spread, and ratios between contenders."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .cases import Case
from .figures import METRICS, scalars
from .journal import Journal

#: An engine wins a case when its median is better by this factor and no round says otherwise.
MARGIN = 1.03
#: Rounds from which there is a verdict. Of two that are equal, all of three agree one time in four, and all of five one in
#: sixteen.
ROUNDS_MIN = 5


@dataclass(frozen=True)
class Spread:
    """A median and the range that it comes from. Same unit as the values."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        row = sorted(values)
        return cls(statistics.median(row), row[0], row[-1], len(row))

    def as_dict(self) -> dict[str, float]:
        return {"median": self.median, "min": self.low, "max": self.high, "rounds": self.count}


@dataclass
class Entry:
    """What all rounds say of one contender in one case."""

    figures: dict[str, Spread] = field(default_factory=dict)
    #: By the name of the contender compared with, then by metric. Above 1 is better for this contender,
    #: whatever the metric: the ratio is turned round where less is better.
    ratios: dict[str, dict[str, Spread]] = field(default_factory=dict)
    name: str = ""

    def median(self, key: str) -> float | None:
        return self.figures[key].median if key in self.figures else None

    def ratio(self, reference: str, key: str) -> Spread | None:
        return self.ratios.get(reference, {}).get(key)


@dataclass
class CaseSummary:
    """One case; contenders in the order of their turns."""

    case: Case
    entries: dict[str, Entry]


def references(name: str, present: Iterable[str]) -> list[str]:
    """Whom a contender is compared with: direct UDP, the same thing on epoll, and the first of two builds."""
    wanted = ["direct"]
    if name.startswith("io_uring"):
        wanted.append("epoll" + name.removeprefix("io_uring"))
    if name.endswith(" B"):
        wanted.append(name.removesuffix("B") + "A")
    return [reference for reference in wanted if reference in present and reference != name]


def summarise(journal: Journal, cases: Iterable[Case]) -> list[CaseSummary]:
    """Summarises the cases that were measured, in the order of `cases`."""
    turns = sorted({record["round"] for record in journal.records})
    order = journal.header["contenders"]
    result = []
    for case in cases:
        rounds = {turn: _figures(journal, turn, case.name) for turn in turns}
        names = [name for name in order if any(name in group for group in rounds.values())]
        if names:
            entries = {name: _entry(name, names, list(rounds.values())) for name in names}
            result.append(CaseSummary(case, entries))
    return result


def _figures(journal: Journal, turn: int, case: str) -> dict[str, dict[str, float]]:
    return {name: scalars(record["figures"]) for name, record in journal.group(turn, case).items()}


def _entry(name: str, names: list[str], rounds: list[dict[str, dict[str, float]]]) -> Entry:
    own = [group[name] for group in rounds if name in group]
    entry = Entry({key: Spread.of(figures[key] for figures in own if key in figures)
                   for key in dict.fromkeys(key for figures in own for key in figures)}, name=name)
    for reference in references(name, names):
        ratios = ratios_by_round(rounds, name, reference)
        entry.ratios[reference] = {key: Spread.of(values) for key, values in ratios.items()}
    return entry


def ratios_by_round(
    rounds: list[dict[str, dict[str, float]]], name: str, reference: str
) -> dict[str, list[float]]:
    """Ratios of two contenders by metric, one for each round that measured both, above 1 where `name` is better.

    Within a round they ran seconds apart, so that whatever slows the machine down for minutes cancels out.
    """
    result: dict[str, list[float]] = {}
    for group in rounds:
        ours, theirs = group.get(name, {}), group.get(reference, {})
        for metric in METRICS:
            a, b = ours.get(metric.key), theirs.get(metric.key)
            if metric.better and a and b:
                result.setdefault(metric.key, []).append(a / b if metric.better > 0 else b / a)
    return result


def verdict(ratio: Spread) -> int:
    """+1 for a win of the contender, -1 for one of the reference, 0 for a tie, or too few rounds to tell."""
    if ratio.count < ROUNDS_MIN:
        return 0
    if ratio.median >= MARGIN and ratio.low > 1:
        return 1
    if ratio.median <= 1 / MARGIN and ratio.high < 1:
        return -1
    return 0


def as_json(summaries: list[CaseSummary]) -> list[dict[str, Any]]:
    return [{
        "case": summary.case.name,
        "kind": summary.case.kind,
        "contenders": {
            name: {
                "figures": _spreads(entry.figures),
                "ratios": {reference: _spreads(ratios) for reference, ratios in entry.ratios.items()},
            } for name, entry in summary.entries.items()
        },
    } for summary in summaries]


def _spreads(by_key: dict[str, Spread]) -> dict[str, dict[str, float]]:
    return {key: {name: _rounded(value) for name, value in spread.as_dict().items()}
            for key, spread in by_key.items()}


def _rounded(value: float) -> float:
    """Five significant digits: more than a measurement has."""
    return float(f"{value:.5g}") if isinstance(value, float) else value
