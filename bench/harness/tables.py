"""Markdown tables of a report, one function for each kind of case."""

from collections.abc import Callable

from .cases import Case, title
from .figures import BY_KEY, PLACES, number
from .summary import CaseSummary, Entry, Spread

#: A column: its heading, and the text of a cell.
Column = tuple[str, Callable[[Entry], str]]


def value(key: str, heading: str) -> Column:
    """A median and its range."""
    return heading, lambda entry: _spread(entry.figures.get(key), BY_KEY[key].scale)


def median(key: str, heading: str) -> Column:
    return heading, lambda entry: _median(entry.figures.get(key), BY_KEY[key].scale)


def ratio(key: str, reference: str, heading: str) -> Column:
    """How many times better than the reference: the epoll variant of the same thing, or direct UDP."""
    def cell(entry: Entry) -> str:
        name = next((name for name in entry.ratios if name.removesuffix(" A").removesuffix(" B").split(",")[0]
                     == reference and not is_build(name, entry)), "")
        return _spread(entry.ratio(name, key), 1)
    return heading, cell


def is_build(name: str, entry: Entry) -> bool:
    """Whether the reference is the first of two builds of the same thing, which has a column of its own."""
    return name.endswith(" A") and entry.name == name.removesuffix("A") + "B"


def against_first_build(key: str, heading: str) -> Column:
    """How many times better a second build is than the first."""
    def cell(entry: Entry) -> str:
        name = next((name for name in entry.ratios if is_build(name, entry)), "")
        return _spread(entry.ratio(name, key), 1)
    return heading, cell


def highest_rate(heading: str) -> Column:
    """A median and its range; with a mark where the sender itself made no more."""
    def cell(entry: Entry) -> str:
        limited = entry.median("senderLimited")
        mark = "≥ " if limited is not None and limited >= 0.5 else ""
        return mark + _spread(entry.figures.get("goodput"), BY_KEY["goodput"].scale)
    return heading, cell


def lost(place: str) -> Column:
    return PLACES[place], lambda entry: _median(entry.figures.get(f"lostAt.{place}"), 1)


FLOOD: tuple[Column, ...] = (
    value("goodput", "Gbit/s"), median("packets", "k datagrams/s"), median("loss", "lost %"),
    ratio("goodput", "direct", "× direct"), ratio("goodput", "epoll", "× epoll"), against_first_build("goodput", "× A"),
)
MAXIMUM: tuple[Column, ...] = (
    highest_rate("Gbit/s at ≤ 1 % loss"), median("packets", "k datagrams/s"), median("p99", "p99 us one way"),
    ratio("goodput", "direct", "× direct"), ratio("goodput", "epoll", "× epoll"), against_first_build("goodput", "× A"),
)
CPU: tuple[Column, ...] = (
    value("microsPerDatagram", "us/datagram"), median("gatewayPerGB", "s/GB"), median("userPerGB", "user s/GB"),
    median("systemPerGB", "system s/GB"), median("machinePerGB", "machine s/GB"),
    median("systemCalls", "system calls/datagram"), ratio("microsPerDatagram", "epoll", "CPU × epoll"),
    ratio("machinePerGB", "epoll", "machine × epoll"), against_first_build("microsPerDatagram", "CPU × A"),
)
LATENCY: tuple[Column, ...] = (
    value("p50", "p50 us"), value("p99", "p99 us"), value("p999", "p99.9 us"),
    ratio("p50", "direct", "p50 × direct"), ratio("p50", "epoll", "p50 × epoll"),
    ratio("p99", "epoll", "p99 × epoll"), against_first_build("p50", "p50 × A"), median("loss", "lost %"),
)
LOST: tuple[Column, ...] = (median("loss", "lost %"), *(lost(place) for place in PLACES))
TRAINS: tuple[Column, ...] = (
    value("clientTrain", "segments in a client's write"), value("serverTrain", "segments in a server's write"),
)


def table(summaries: list[CaseSummary], columns: tuple[Column, ...], only: Callable[[Entry], bool] | None = None) -> str:
    """A row for each case and contender; columns that say nothing in any row are left out."""
    rows = [(summary.case, name, entry) for summary in summaries
            for name, entry in summary.entries.items() if only is None or only(entry)]
    cells = [[text(entry) for _, text in columns] for _, _, entry in rows]
    kept = [index for index in range(len(columns)) if any(row[index] for row in cells)]
    lines = [_row(["case", "contender"] + [columns[index][0] for index in kept]),
             _row(["---", "---"] + ["---:"] * len(kept))]
    previous: Case | None = None
    for (case, name, _), row in zip(rows, cells):
        lines.append(_row(["" if case is previous else _cell(title(case)), name] + [row[index] for index in kept]))
        previous = case
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _median(spread: Spread | None, scale: float) -> str:
    return "" if spread is None else number(spread.median * scale)


def _spread(spread: Spread | None, scale: float) -> str:
    """`median (min–max)`; the median alone when there is no range to tell."""
    if spread is None:
        return ""
    low, middle, high = (number(part * scale) for part in (spread.low, spread.median, spread.high))
    return middle if low == high else f"{middle} ({low}–{high})"
