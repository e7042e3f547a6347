"""The summary of a report: sentences computed from the figures, and nothing that the figures do not say."""

from collections.abc import Iterable, Iterator
from statistics import median

from .cases import title
from .figures import number
from .summary import MARGIN, ROUNDS_MIN, CaseSummary, Entry, Spread, verdict

#: What is worth choosing an engine for.
_CLEAR_GAIN = 1.10


def sentences(summaries: list[CaseSummary]) -> list[str]:
    """In the order of what readers ask first."""
    parts = [
        *_engines(summaries), *_throughput(summaries), *_trains(summaries), *_latency(summaries),
        *_user_share(summaries), *_others(summaries), *_noise(summaries),
    ]
    return parts or ["Too little was measured for a summary."]


def _engines(summaries: list[CaseSummary]) -> Iterator[str]:
    for key, what, kinds in (
        ("microsPerDatagram", "CPU time per datagram", ("flood", "paced", "ping", "max")),
        ("goodput", "goodput", ("flood", "max")),
        ("p99", "p99 latency", ("paced", "ping")),
    ):
        found = [(summary, ratio) for summary in summaries if summary.case.kind in kinds
                 for ratio in [_against(summary, "io_uring", "epoll", key)] if ratio]
        if not found:
            continue
        low = min(found, key=lambda entry: entry[1].median)
        high = max(found, key=lambda entry: entry[1].median)
        yield (
            f"**io_uring against epoll, {what}:** {_times(median(ratio.median for _, ratio in found))} in the median "
            f"of {_count(len(found), 'case')}, from {number(low[1].median)} ({title(low[0].case)}) to "
            f"{number(high[1].median)} ({title(high[0].case)})."
            + (f" At least {_CLEAR_GAIN:.2f} times better in {sum(ratio.median >= _CLEAR_GAIN for _, ratio in found)} "
               f"of {len(found)}." if key == "microsPerDatagram" else "")
            + _score(found))


def _score(found: list[tuple[CaseSummary, Spread]]) -> str:
    if all(ratio.count < 2 for _, ratio in found):
        return " A single round decides nothing."
    verdicts = [verdict(ratio) for _, ratio in found]
    losses = [title(summary.case) for (summary, _), won in zip(found, verdicts) if won < 0]
    return (f" io_uring wins {verdicts.count(1)}, epoll {len(losses)}, {_count(verdicts.count(0), 'tie')}."
            + (f" epoll wins: {'; '.join(losses)}." if losses else ""))


def _throughput(summaries: list[CaseSummary]) -> Iterator[str]:
    for name in ("max-1400-1", "flood-1400-1", "flood-gso-1"):
        summary = _case(summaries, name)
        if summary is None or "direct" not in summary.entries:
            continue
        direct = summary.entries["direct"]
        told = [
            f"{_gigabits(entry)} through guise on {engine} ({number(ratio.median)} of direct)"
            for engine in ("io_uring", "epoll")
            if (entry := summary.entries.get(engine)) and (ratio := entry.ratio("direct", "goodput"))
        ]
        if told:
            how = ", flooded" if summary.case.kind == "flood" else ""
            yield f"**{title(summary.case)}{how}:** {_gigabits(direct)} direct, {', '.join(told)}."


def _trains(summaries: list[CaseSummary]) -> Iterator[str]:
    told = []
    for summary in summaries:
        with_trains, without = summary.entries.get("io_uring"), summary.entries.get("io_uring, offload off")
        if summary.case.kind == "flood" and with_trains and without:
            gain = with_trains.figures["goodput"].median / without.figures["goodput"].median
            told.append(f"{number(gain)} times the goodput with {title(summary.case)}")
    if told:
        yield f"**Trains (offload on against off, io_uring):** {', '.join(told)}."


def _latency(summaries: list[CaseSummary]) -> Iterator[str]:
    for summary in summaries:
        if summary.case.kind != "ping":
            continue
        told = [f"{name} {number(entry.figures['p50'].median)} / {number(entry.figures['p99'].median)}"
                for name, entry in summary.entries.items() if "p50" in entry.figures]
        if told:
            yield f"**Round trips, {title(summary.case)}, p50 / p99 in us:** {', '.join(told)}."


def _user_share(summaries: list[CaseSummary]) -> Iterator[str]:
    for engine in ("io_uring", "epoll"):
        shares = [
            100 * user / total for summary in summaries if summary.case.kind in ("flood", "paced")
            if (entry := summary.entries.get(engine))
            if (user := entry.median("userPerGB")) is not None and (total := entry.median("gatewayPerGB"))
        ]
        if shares:
            yield (f"**User space, {engine}:** {number(min(shares))} to {number(max(shares))} % of the gateways' CPU "
                   f"time, {number(median(shares))} % in the median of {_count(len(shares), 'case')}. "
                   "The rest is the kernel's.")


def _others(summaries: list[CaseSummary]) -> Iterator[str]:
    for other in ("Phantun", "udp2raw"):
        told = []
        for name in ("max-1400-1", "max-1400-5", "max-mixed-1", "max-200-1", "flood-1400-1"):
            summary = _case(summaries, name)
            if summary and other in summary.entries and "io_uring" in summary.entries:
                gain = (summary.entries["io_uring"].figures["goodput"].median
                        / summary.entries[other].figures["goodput"].median)
                told.append(f"{number(gain)} times ({title(summary.case)})")
        if told:
            yield f"**guise on io_uring against {other}, goodput:** {', '.join(told)}."


def _noise(summaries: list[CaseSummary]) -> Iterator[str]:
    entries = [entry for summary in summaries if summary.case.kind in ("flood", "max")
               for entry in summary.entries.values()]
    widths = _widths(entry.figures.get("goodput") for entry in entries)
    if widths:
        yield (f"**Spread:** between the best and the worst round, goodput differs by {number(median(widths))} % in the "
               f"median over cases and contenders, by {number(max(widths))} % at worst.")
    if ratios := _widths(ratio for entry in entries if (ratio := entry.ratio("direct", "goodput"))):
        yield (f"**Spread of ratios** to direct UDP, which are taken within a round: {number(median(ratios))} % in the "
               f"median, {number(max(ratios))} % at worst.")


def _widths(spreads: Iterable[Spread | None]) -> list[float]:
    """From the least to the most of each, in percent of its median."""
    return [100 * (spread.high - spread.low) / spread.median for spread in spreads
            if spread and spread.count > 1 and spread.median]


def verdict_rule() -> str:
    return (f"A contender wins a case when its median is at least {MARGIN:.2f} times better and no round says "
            f"otherwise, of {ROUNDS_MIN} and more; anything else is a tie.")


def _against(summary: CaseSummary, name: str, reference: str, key: str) -> Spread | None:
    entry = summary.entries.get(name)
    return entry.ratio(reference, key) if entry else None


def _case(summaries: list[CaseSummary], name: str) -> CaseSummary | None:
    return next((summary for summary in summaries if summary.case.name == name), None)


def _gigabits(entry: Entry) -> str:
    return f"{number(entry.figures['goodput'].median * 1e-9)} Gbit/s"


def _times(ratio: float) -> str:
    return f"{number(ratio)} times " + ("better" if ratio >= 1 else "as good")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
