"""What a run leaves for its readers: results.json, report.md and plots, in a folder named like the run."""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import plots, tables, words
from .cases import Case
from .figures import PLACES, number
from .journal import PROGRAMS, Journal
from .measurement import SEARCH_STEP
from .schedule import Schedule
from .summary import CaseSummary, Entry, as_json, summarise


def brief(case: Case, figures: dict[str, Any]) -> str:
    """The figures of one measurement on one line."""
    cpu = f", {number(figures['gatewayPerGB'])} s/GB" if "gatewayPerGB" in figures else ""
    latency = "p50 {} p99 {} us".format(number(figures["p50"]), number(figures["p99"]))
    match case.kind:
        case "ping":
            return f"{latency}, p99.9 {number(figures['p999'])} us"
        case "paced":
            return f"{number(figures['loss'])} % lost, {latency}{cpu}"
        case "max":
            return f"{_rates(figures)}{cpu}"
        case _:
            return f"{_rates(figures)}, {number(figures['loss'])} % lost{cpu}"


def _rates(figures: dict[str, Any]) -> str:
    return f"{number(figures['goodput'] / 1e9)} Gbit/s, {number(figures['packets'] / 1e3)} k/s"


def write(journal: Journal, cases: Iterable[Case], results: Path) -> Path:
    """Writes the report of a run into `results`/<run>; returns the path of report.md."""
    folder = results / journal.header["run"]
    folder.mkdir(parents=True, exist_ok=True)
    summaries = summarise(journal, cases)
    (folder / "results.json").write_text(_json({**described(journal), "ratios": RATIOS, "cases": as_json(summaries)}))
    try:
        pictures = plots.draw(summaries, folder)
    except plots.NoPlots as reason:
        print(f"bench: no plots: {reason}", file=sys.stderr)
        pictures = {}
    report = folder / "report.md"
    report.write_text("\n\n".join(_sections(journal, summaries, pictures)).replace("\n\n\n", "\n\n").rstrip() + "\n")
    return report


def described(journal: Journal) -> dict[str, Any]:
    """What was measured, when and where: the run's header, without what says something to this machine only."""
    options = {name: value for name, value in journal.header["options"].items() if name not in PROGRAMS}
    return {"format": 1, **journal.header, "options": options}


def _json(content: dict[str, Any]) -> str:
    """Indented JSON with each spread on one line, so that a diff of two reports shows what changed."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return re.sub(r"\{\s+(\"median\"[^{}]*?)\s+\}", lambda spread: "{" + re.sub(r"\s+", " ", spread[1]) + "}", text) + "\n"


#: How ratios are to be read, in results.json.
RATIOS = ("Median of the ratios of single rounds. Above 1 is better for the contender, whatever the metric: "
          "where less is better the ratio is turned round.")


def _sections(journal: Journal, summaries: list[CaseSummary], pictures: dict[str, str]) -> Iterable[str]:
    def of(*kinds: str) -> list[CaseSummary]:
        return [summary for summary in summaries if summary.case.kind in kinds]

    def picture(name: str, caption: str) -> Iterable[str]:
        if name in pictures:
            yield f"![{caption}]({pictures[name]})"

    yield f"# guise, measured: {journal.header['run']}"
    yield _machine(journal)
    yield "## Summary"
    yield "\n".join(f"- {sentence}" for sentence in words.sentences(summaries))
    yield words.verdict_rule()
    yield from picture("engines", "io_uring against epoll, case by case")
    yield "## How to read this"
    yield _legend(journal)
    if floods := of("flood"):
        yield "## Flooded"
        yield ("The sender sends as fast as it can; what the path cannot carry is lost. Goodput is the payload that "
               "arrived and was verified; both ways, what came back.")
        yield from picture("goodput", "goodput when flooded")
        yield tables.table(floods, tables.FLOOD)
    if searches := of("max"):
        yield "## Highest rate at no more than 1 % loss"
        yield (f"A search over rates that are {100 * (SEARCH_STEP - 1):.0f} % apart, which is its resolution. ≥ says that the "
               "sender, which shares the machine, made no more than that, and hardly any of it was lost: such ratios "
               "compare what is left to the sender.")
        yield from picture("max", "highest rate at no more than 1 % loss")
        yield tables.table(searches, tables.MAXIMUM)
    if carried := [summary for summary in summaries if any(map(_has_gateways, summary.entries.values()))]:
        yield "## CPU time and system calls"
        yield ("Both gateways together, per datagram and per 10^9 bytes of payload delivered. *Machine* is everything "
               "that any CPU did meanwhile: sender, receiver and the kernel's own threads included. System calls are "
               "counted in runs of their own.")
        yield from picture("cpu", "CPU time of both gateways per datagram")
        yield tables.table(carried, tables.CPU, _has_gateways)
        yield from picture("syscalls", "system calls per datagram")
    if timed := of("ping", "paced"):
        yield "## Latency"
        yield ("Round trips for ping-pong, one-way latency for paced traffic: the sender's clock and the receiver's are "
               "the same. Ratios above 1 mean less latency.")
        yield from picture("latency", "latency percentiles")
        yield tables.table(timed, tables.LATENCY)
    if lost := [summary for summary in summaries if any(map(_tells_losses, summary.entries.values()))]:
        yield "## Where datagrams were lost"
        yield ("In percent of those sent, from the counters of neighbours on the way. *Before the client* is its UDP "
               "socket: the gateway did not keep up. *Behind the server* is the service's socket: the receiver did not.")
        yield tables.table(lost, tables.LOST, _tells_losses)
    if trains := [summary for summary in summaries if any(map(_has_trains, summary.entries.values()))]:
        yield "## Train lengths"
        yield ("Segments in one write to TUN, on average, where more than one can be: a lone acknowledgement is a write "
               "without a segment.")
        yield tables.table(trains, tables.TRAINS, _has_trains)


def _has_gateways(entry: Entry) -> bool:
    return "gatewayPerGB" in entry.figures


def _tells_losses(entry: Entry) -> bool:
    return any(f"lostAt.{place}" in entry.figures for place in PLACES) and entry.figures["loss"].high > 0


def _has_trains(entry: Entry) -> bool:
    """Whether any write carried more than one segment."""
    return any((train := entry.median(key)) is not None and train > 1 for key in ("clientTrain", "serverTrain"))


#: Beyond this the report says that the machine had other things to do.
_BUSY_PERCENT_MAX = 10


def _machine(journal: Journal) -> str:
    about, options = journal.header["machine"], journal.header["options"]
    machine = "virtual machine" if about["virtual"] else "machine"
    return (
        f"{_programs(about)}; the tree's commit is {about['source']}. {about['date']}. {about['cores']}-core {machine}, {about['cpu']}, "
        f"{about['memoryGB']:g} GB, {about['architecture']}; Linux {about['kernel']}, {about['distribution']}; "
        f"{about['swift']}, liburing {about['liburing']}. {options['rounds']} "
        f"{'round' if options['rounds'] == 1 else 'rounds'} of {options['seconds']:g} s for each case and contender"
        + (", the short form: hints, not results" if options["quick"] else "") + "."
        + (f" **The machine was not idle when it began: {number(busy)} % busy.**"
           if (busy := about.get("busyBefore", 0)) > _BUSY_PERCENT_MAX else ""))


def _programs(about: dict[str, Any]) -> str:
    """Each by its version and its build; older runs know the version of one alone."""
    builds = about.get("programs") or {"guise": {"version": about["guise"], "sha256": "unknown"}}
    return ", ".join(f"{name} {build['version']} (SHA-256 {build['sha256']})" for name, build in builds.items())


def _legend(journal: Journal) -> str:
    options = journal.header["options"]
    probe = Schedule([], [], options["rounds"], options["seconds"], False).probe_seconds
    return (
        "Two network namespaces joined by a veth pair; sender, both gateways and receiver share the machine. "
        "In a round every contender of a case takes its turn within seconds of the others. Cells give the median of the "
        f"rounds, with the lowest and the highest in parentheses. Probes of searches and system call counts take "
        f"{probe:g} s. Columns with × are ratios, taken within each round, "
        "then their median: **above 1 is always better for the contender of that row**, also where less is better, as in "
        "CPU time and latency. *× epoll* compares io_uring with epoll at the same offload setting.")
