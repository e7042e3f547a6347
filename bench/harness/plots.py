"""Plots of a report as SVG, readable on light and dark pages."""

import colorsys
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .cases import title
from .figures import BY_KEY, number
from .summary import MARGIN, CaseSummary, Entry, Spread, verdict

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
except ImportError:
    matplotlib = None

#: Colours that a dark page swaps: text, faint text, rules, background. See `_DARK`.
INK, FAINT, RULE, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
_DARK = {INK: "#f0f6fc", FAINT: "#9198a1", RULE: "#3d444d", PAPER: "#0d1117"}

#: A contender has one colour in every plot; without offload it is the paler one.
_COLOURS = {
    "direct": "#8c959f",
    "io_uring": "#2f81f7", "io_uring, offload off": "#9ecbff",
    "epoll": "#e8762c", "epoll, offload off": "#f7c59f",
    "Phantun": "#2da44e", "udp2raw": "#a371f7",
}
#: For the builds A and B of a comparison.
_SPARE = ("#bf3989", "#0a8f8f", "#9a6700", "#6e40c9", "#4d7c0f", "#cf222e", "#57606a", "#1b7c83")

_WIDTH = 9.0
_BAR = 0.235  # inches a bar
_SIZE = 8.5  # points


class NoPlots(Exception):
    """Why nothing can be drawn, and what to do."""


def draw(summaries: list[CaseSummary], folder: Path) -> dict[str, str]:
    """Draws what there are figures for; returns the file of each plot by its name."""
    if matplotlib is None:
        raise NoPlots("this Python has no matplotlib. Install Debian's python3-matplotlib, then write the report "
                      "again: /usr/bin/python3 bench/run.py --report RUN")
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "guise", "font.family": "sans-serif", "font.size": _SIZE,
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
        "text.color": INK, "axes.labelcolor": FAINT, "axes.titlecolor": INK, "xtick.color": FAINT, "ytick.color": INK,
        "axes.edgecolor": RULE, "figure.facecolor": PAPER, "axes.facecolor": "none",
    })
    colours = _assigned(summaries)
    floods = [summary for summary in summaries if summary.case.kind == "flood"]
    searches = [summary for summary in summaries if summary.case.kind == "max"]
    carried = [summary for summary in summaries if summary.case.kind in ("flood", "paced")]
    plots: dict[str, Callable[[], Figure | None]] = {
        "engines": lambda: _engines(summaries),
        "goodput": lambda: _bars(floods, "goodput", "Goodput when flooded, Gbit/s", colours),
        "max": lambda: _bars(searches, "goodput", "Highest goodput at no more than 1 % loss, Gbit/s", colours),
        "cpu": lambda: _bars(carried, "microsPerDatagram",
                             "CPU time of both gateways, us per datagram (dark: user space)", colours, _user_part),
        "syscalls": lambda: _bars(summaries, "systemCalls", "System calls of both gateways per datagram", colours),
        "latency": lambda: _latency([s for s in summaries if s.case.kind in ("paced", "ping")], colours),
    }
    written = {}
    for name, make in plots.items():
        file = folder / f"{name}.svg"
        file.unlink(missing_ok=True)
        if (figure := make()) is not None:
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": "bench/run.py"})
            # Paths end their lines in blanks, which `make lint` does not take.
            lines = _with_dark_colours(file.read_text()).splitlines()
            file.write_text("".join(line.rstrip() + "\n" for line in lines))
            written[name] = file.name
    return written


def _bars(
    summaries: list[CaseSummary], key: str, heading: str, colours: dict[str, str],
    part: Callable[[Entry], float | None] | None = None,
) -> "Figure | None":
    """A panel for each case, two abreast, each with its own scale from 0: a bar for each contender, with a whisker
    from the lowest to the highest round. `part` gives the share of a bar that is drawn darker."""
    panels = [(summary.case, entries) for summary in summaries
              if (entries := {name: entry for name, entry in summary.entries.items() if key in entry.figures})]
    if not panels:
        return None
    scale = BY_KEY[key].scale
    pairs = [panels[index:index + 2] for index in range(0, len(panels), 2)]
    heights = [max(len(entries) for _, entries in pair) * _BAR + 0.42 for pair in pairs]
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.8))
    names = list(dict.fromkeys(name for _, entries in panels for name in entries))
    top = _head(figure, heading, [Patch(color=colours[name], label=name) for name in names])
    for pair, height in zip(pairs, heights):
        top -= height
        rows = max(len(entries) for _, entries in pair)
        for column, (case, entries) in enumerate(pair):
            axes = figure.add_axes((0.025 + 0.5 * column, (top + 0.05) / figure.get_figheight(), 0.45,
                                    (height - 0.36) / figure.get_figheight()))
            _panel(axes, entries, rows, key, scale, colours, part)
            axes.set_title(title(case), loc="left", fontsize=_SIZE, pad=4)
    return figure


def _panel(
    axes: Any, entries: dict[str, Entry], rows: int, key: str, scale: float, colours: dict[str, str],
    part: Callable[[Entry], float | None] | None,
) -> None:
    """Draws the bars of one case; `rows` is how many there is room for."""
    longest = max(entry.figures[key].high for entry in entries.values()) * scale
    for row, (name, entry) in enumerate(entries.items()):
        low, middle, high = _scaled(entry.figures[key], scale)
        axes.barh(row, middle, height=0.74, color=colours[name], linewidth=0)
        if part and (share := part(entry)) is not None:
            axes.barh(row, middle * share, height=0.74, color=_darker(colours[name]), linewidth=0)
        if high > low:
            axes.plot([low, high], [row, row], color=INK, linewidth=1, solid_capstyle="butt")
            axes.plot([low, high], [row, row], color=INK, linewidth=0, marker="|", markersize=4)
        axes.annotate(number(middle), (max(high, middle), row), xytext=(5, 0), textcoords="offset points",
                      va="center", fontsize=_SIZE - 0.5)
    axes.set_xlim(0, (longest or 1) * 1.16)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_bounds(-0.6, len(entries) - 0.4)


def _user_part(entry: Entry) -> float | None:
    user, total = entry.median("userPerGB"), entry.median("gatewayPerGB")
    return user / total if user is not None and total else None


def _engines(summaries: list[CaseSummary]) -> "Figure | None":
    """A row for each case: how many times better io_uring is than epoll, rounds as a whisker, median as a dot."""
    measures = (("microsPerDatagram", "CPU time per datagram"), ("goodput", "goodput, flooded or at ≤ 1 % loss"))
    rows = [
        (title(summary.case), [
            entry.ratio("epoll", key) if key != "goodput" or summary.case.kind in ("flood", "max") else None
            for key, _ in measures])
        for summary in summaries if (entry := summary.entries.get("io_uring")) and "epoll" in entry.ratios
    ]
    if not rows:
        return None
    height = len(rows) * 0.25 + 1.35
    figure = Figure(figsize=(_WIDTH, height))
    _head(figure, "io_uring against epoll: times better (median of the rounds' ratios, lowest to highest round)", [
        Line2D([], [], color=_COLOURS["io_uring"], marker="o", linewidth=1.2, label="io_uring is ahead"),
        Line2D([], [], color=_COLOURS["epoll"], marker="o", linewidth=1.2, label="epoll is ahead"),
        Line2D([], [], color=FAINT, marker="o", linewidth=1.2, label="a tie"),
    ])
    for column, (_, label) in enumerate(measures):
        ratios = [(row, ratio) for row, (_, both) in enumerate(rows) if (ratio := both[column])]
        if not ratios:
            continue
        axes = figure.add_axes((0.305 + 0.352 * column, 0.3 / height, 0.325, (height - 1.25) / height))
        reach = max(1.12, *(max(ratio.high, 1 / ratio.low) for _, ratio in ratios)) * 1.02
        axes.set_xscale("log")
        # Room at the right for the medians in figures.
        axes.set_xlim(1 / reach, reach**1.4)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvspan(1 / MARGIN, MARGIN, color=RULE, alpha=0.55, linewidth=0)
        axes.axvline(1, color=FAINT, linewidth=0.8)
        for row, ratio in ratios:
            winner = {1: "io_uring", -1: "epoll"}.get(verdict(ratio))
            colour = _COLOURS[winner] if winner else FAINT
            axes.plot([ratio.low, ratio.high], [row, row], color=colour, linewidth=1.4)
            axes.plot([ratio.median], [row], color=colour, marker="o", markersize=5)
            axes.annotate(number(ratio.median), (1, row), xycoords=("axes fraction", "data"), ha="right",
                          va="center", fontsize=_SIZE - 1, color=FAINT)
        ticks = _ratio_ticks(reach)
        axes.set_xticks(ticks, [number(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(axis="x", color=RULE, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows] if column == 0 else [])
        axes.tick_params(length=0)
        axes.set_title(label, loc="center", fontsize=_SIZE, pad=5)
        for side in axes.spines.values():
            side.set_visible(False)
    return figure


def _ratio_ticks(reach: float) -> list[float]:
    """Ticks on both sides of 1 that mirror each other."""
    for above in ((1.05, 1.1), (1.1, 1.2), (1.25, 1.5), (1.5, 2), (2, 4)):
        if reach < above[1] ** 1.35:
            break
    return sorted({1, *(tick for tick in above if tick < reach), *(1 / tick for tick in above if tick < reach)})


def _latency(summaries: list[CaseSummary], colours: dict[str, str]) -> "Figure | None":
    """A panel for each case, on one logarithmic axis: p50, p99 and p99.9 of each contender on one line."""
    panels = [(summary.case, entries) for summary in summaries
              if (entries := {name: entry for name, entry in summary.entries.items() if "p50" in entry.figures})]
    if not panels:
        return None
    heights = [len(entries) * _BAR + 0.36 for _, entries in panels]
    figure = Figure(figsize=(_WIDTH, sum(heights) + 1.0))
    markers = (("p50", "o", "p50"), ("p99", "D", "p99"), ("p999", "|", "p99.9"))
    top = _head(figure, "Latency, us (one way when paced, round trips for ping-pong; medians of the rounds)", [
        Line2D([], [], color=FAINT, marker=marker, linewidth=0, label=label) for _, marker, label in markers])
    values = [spread.median for _, entries in panels for entry in entries.values()
              for key, _, _ in markers if (spread := entry.figures.get(key)) and spread.median > 0]
    low, high = min(values) / 1.3, max(values) * 1.6
    for (case, entries), height in zip(panels, heights):
        top -= height
        axes = figure.add_axes((0.19, (top + 0.02) / figure.get_figheight(), 0.785,
                                (height - 0.26) / figure.get_figheight()))
        for row, (name, entry) in enumerate(entries.items()):
            medians = {key: entry.figures[key].median for key, _, _ in markers}
            axes.plot([medians["p50"], medians["p999"]], [row, row], color=colours[name], linewidth=1.6)
            for key, marker, _ in markers:
                axes.plot([medians[key]], [row], color=colours[name], marker=marker, linewidth=0,
                          markersize={"o": 6, "D": 5}.get(marker, 8), markeredgewidth=1.6 if marker == "|" else 0)
            axes.annotate(" / ".join(number(medians[key]) for key, _, _ in markers), (medians["p999"], row),
                          xytext=(7, 0), textcoords="offset points", va="center", fontsize=_SIZE - 1, color=FAINT)
        axes.set_xscale("log")
        axes.set_xlim(low, high * (high / low) ** 0.28)
        axes.set_ylim(len(entries) - 0.4, -0.6)
        ticks = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        last = case is panels[-1][0]
        axes.set_xticks(ticks, [number(tick) for tick in ticks] if last else [])
        axes.minorticks_off()
        axes.grid(axis="x", color=RULE, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_yticks(range(len(entries)), list(entries))
        axes.tick_params(length=0)
        axes.set_title(title(case), loc="left", fontsize=_SIZE, pad=3)
        for side in axes.spines.values():
            side.set_visible(False)
    return figure


def _head(figure: Any, heading: str, handles: list[Any]) -> float:
    """Writes the heading and the legend; returns where the rest may begin, in inches from the bottom."""
    height = figure.get_figheight()
    figure.text(0.025, (height - 0.3) / height, heading, fontsize=_SIZE + 2, fontweight="bold")
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.017, (height - 0.36) / height),
                  ncol=len(handles), frameon=False, fontsize=_SIZE, handlelength=1.2, columnspacing=1.6)
    return height - 0.65


def _assigned(summaries: Iterable[CaseSummary]) -> dict[str, str]:
    names = dict.fromkeys(name for summary in summaries for name in summary.entries)
    spare = iter(_SPARE * 4)
    return {name: _COLOURS.get(name) or next(spare) for name in names}


def _darker(colour: str) -> str:
    red, green, blue = (int(colour[index:index + 2], 16) / 255 for index in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, light * 0.55, saturation))


def _scaled(spread: Spread, scale: float) -> tuple[float, float, float]:
    return spread.low * scale, spread.median * scale, spread.high * scale


def _with_dark_colours(svg: str) -> str:
    """Adds a style sheet that swaps ink and paper where the page is dark. Viewers that know no such query keep
    the light colours, with their own background."""
    rules = "".join(
        f'[style*="{attribute}: {light}"] {{ {attribute}: {dark} !important }}'
        for light, dark in _DARK.items() for attribute in ("fill", "stroke"))
    sheet = f'<style type="text/css">@media (prefers-color-scheme: dark) {{ {rules} }}</style>'
    begin = svg.index(">", svg.index("<svg")) + 1
    return svg[:begin] + "\n " + sheet + svg[begin:]
