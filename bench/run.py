#!/usr/bin/env python3
"""Measures guise next to plain UDP, engine against engine, and writes a report.

Everything happens in two network namespaces, which are removed whatever happens,
after SIGKILL by the next start. `make bench` builds first.
"""

import argparse
import fnmatch
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import arguments as kinds, command, machine, measurement, report
from harness.cable import Cable
from harness.cases import CASES, Case
from harness.contenders import TRACKED, Contender, Guise, Phantun, Relays, UDP2Raw, cpus_of_their_own
from harness.journal import PROGRAMS, Journal
from harness.meters import SystemCallCount
from harness.programs import BenchFailure
from harness.progress import Progress
from harness.schedule import Schedule
from harness.traffic import Traffic

BENCH = Path(__file__).resolve().parent
BINARIES = BENCH.parent / ".build" / "release"
RESULTS = BENCH / "results"
RAW = RESULTS / "raw"

#: Options that add a contender.
ADDITIONS = ("with_tracked", "with_pinned", "with_relays")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="PHANTUN_DIR=<folder with phantun_client and phantun_server> and UDP2RAW=<program> in the "
               "environment add these gateways to the comparison.")
    parser.add_argument("--quick", action="store_true", help="fewer cases, two rounds of one second each")
    parser.add_argument("--list", action="store_true", help="show what would be measured and how long it takes")
    parser.add_argument("--cases", metavar="GLOB", action="append",
                        help="only cases whose name matches, as 'flood-*'; may be repeated")
    parser.add_argument("--engines", type=kinds.engines, default="io_uring,epoll", metavar="A,B",
                        help="which of io_uring and epoll (default: both)")
    parser.add_argument("--rounds", type=kinds.count, help="how often everything is measured (default 5; quick 2)")
    parser.add_argument("--seconds", type=kinds.seconds, help="length of a measurement (default 4; quick 1)")
    parser.add_argument("--guise", type=Path, default=BINARIES / "guise", metavar="PROGRAM")
    parser.add_argument("--guise-b", type=Path, metavar="PROGRAM",
                        help="a second build, measured in turn with the first")
    parser.add_argument("--load", type=Path, default=BINARIES / "guise-load", metavar="PROGRAM",
                        help="the guise-load to use")
    parser.add_argument("--with-tracked", action="store_true",
                        help="also guise with '--firewall tracked', by nftables in place of programs at tc")
    parser.add_argument("--with-pinned", action="store_true",
                        help="also guise with each end on a CPU of its own ('--cpus'), as on two hosts")
    parser.add_argument("--with-relays", action="store_true",
                        help="also two programs that only receive and send, in the gateways' places; one way")
    parser.add_argument("--without-direct", action="store_true", help="leave direct UDP out")
    parser.add_argument("--resume", nargs="?", const="", metavar="RUN",
                        help="go on with an interrupted run, the latest unless named, with its options")
    parser.add_argument("--report", metavar="RUN", help="only write the report of a run again")
    chosen = parser.parse_args()
    if chosen.resume is not None and vars(chosen) != vars(parser.parse_args([])) | {"resume": chosen.resume}:
        parser.error("--resume goes on with the run's own options, and takes no others")
    if chosen.rounds is None:
        chosen.rounds = 2 if chosen.quick else 5
    if chosen.seconds is None:
        chosen.seconds = 1 if chosen.quick else 4
    return chosen


def main(chosen: argparse.Namespace) -> None:
    if chosen.report is not None:
        print(report.write(Journal.load(journal_file(chosen.report)), CASES, RESULTS))
        return
    journal = resumed(chosen) if chosen.resume is not None else None
    schedule = planned(chosen)
    if journal is not None:
        check_resumed(journal, chosen, schedule)
    if chosen.list:
        show(schedule)
        return
    command.need_root("run 'sudo make bench'")
    if journal is None:
        journal = Journal.create(RAW, header(chosen, schedule))
    work(schedule, journal, chosen.load)
    print(f"\nreport: {report.write(journal, CASES, RESULTS)}")


def journal_file(name: str) -> Path:
    """The raw results of a run by its name; the latest for an empty one."""
    file = RAW / f"{name}.jsonl" if name else Journal.latest(RAW)
    if file is None or not file.is_file():
        raise BenchFailure(f"there is no run '{name}' in {RAW}" if name else "there is no run to go on with")
    return file


def resumed(chosen: argparse.Namespace) -> Journal:
    """Loads the run to go on with, and takes its options over."""
    journal = Journal.load(journal_file(chosen.resume))
    for key, value in journal.header["options"].items():
        setattr(chosen, key, Path(value) if key in PROGRAMS and value else value)
    here = machine.source()
    if journal.header["machine"]["source"] != here:
        print(f"bench: the run began at {journal.header['machine']['source']}, and this is {here}", file=sys.stderr)
    return journal


def check_resumed(journal: Journal, chosen: argparse.Namespace, schedule: Schedule) -> None:
    """Raises where what would be measured now is not what the run began with."""
    names = [contender.name for contender in schedule.contenders]
    if journal.header["contenders"] != names:
        raise BenchFailure(f"the run has {', '.join(journal.header['contenders'])}, and now there would be {', '.join(names)}: "
                           "are PHANTUN_DIR and UDP2RAW as they were?")
    if (begun_with := journal.header["machine"].get("programs")) and begun_with != programs(chosen):
        raise BenchFailure("the programs are others than those that the run began with: begin a new one")


def programs(chosen: argparse.Namespace) -> dict[str, dict[str, str]]:
    """What is measured, and with what, so that a figure can be told from that of another build."""
    named = {"guise": chosen.guise, "guise-b": chosen.guise_b, "guise-load": chosen.load}
    return {name: machine.identity(program) for name, program in named.items() if program is not None}


def planned(chosen: argparse.Namespace) -> Schedule:
    cases = [case for case in CASES if case.quick or not chosen.quick]
    if chosen.cases:
        cases = [case for case in CASES if any(fnmatch.fnmatch(case.name, glob) for glob in chosen.cases)]
    if not cases:
        raise BenchFailure(f"no case matches {' '.join(chosen.cases)}: see 'bench/run.py --list'")
    command.need_programs(chosen.guise, chosen.guise_b, chosen.load)
    return Schedule(cases, contenders(chosen), chosen.rounds, chosen.seconds, SystemCallCount.is_possible())


def contenders(chosen: argparse.Namespace) -> list[Contender]:
    """In the order of their turns."""
    result = [] if chosen.without_direct else [Contender("direct")]
    builds = [("", chosen.guise)] if chosen.guise_b is None else [(" A", chosen.guise), (" B", chosen.guise_b)]
    # Variants that are compared with each other follow each other.
    for offload, suffix in ((True, ""), (False, ", offload off")):
        for engine in chosen.engines.split(","):
            for label, binary in builds:
                result.append(Guise(engine + suffix + label, binary.resolve(), engine, offload))
                if chosen.with_tracked and offload:
                    result.append(Guise(engine + ", tracked" + label, binary.resolve(), engine, options=TRACKED))
                if chosen.with_pinned and offload:
                    client, server = cpus_of_their_own()
                    result.append(Guise(engine + ", pinned" + label, binary.resolve(), engine,
                                        client_options=client, server_options=server))
    if chosen.with_relays:
        result.append(Relays("relays"))
    if folder := os.environ.get("PHANTUN_DIR"):
        result.append(Phantun("Phantun", Path(folder).resolve()))
    if program := os.environ.get("UDP2RAW"):
        result.append(UDP2Raw("udp2raw", Path(program).resolve()))
    return result


def header(chosen: argparse.Namespace, schedule: Schedule) -> dict[str, Any]:
    kept = ("quick", "cases", "engines", "rounds", "seconds", *PROGRAMS, "without_direct", *ADDITIONS)
    return {
        "run": time.strftime("%Y-%m-%d-%H%M%S") + kind(chosen),
        "options": {
            key: str(value) if isinstance(value := getattr(chosen, key), Path) else value for key in kept
        },
        "machine": machine.describe(chosen.guise) | {"programs": programs(chosen)},
        "contenders": [contender.name for contender in schedule.contenders],
    }


def kind(chosen: argparse.Namespace) -> str:
    """What ends the name of a run that is not the whole matrix; git ignores the reports of such runs."""
    is_part = (chosen.cases or chosen.guise_b or chosen.without_direct or any(getattr(chosen, key) for key in ADDITIONS)
               or set(chosen.engines.split(",")) != {"io_uring", "epoll"})
    return "-part" if is_part else "-quick" if chosen.quick else ""


def show(schedule: Schedule) -> None:
    for case in schedule.cases:
        names = " | ".join(contender.name for contender in schedule.contenders_of(case))
        print(f"{case.name:<26} {case.why}\n{'':<26} {names}")
    print(f"\n{schedule.rounds} rounds of {schedule.seconds:g} s each: about {schedule.total_seconds() / 60:.0f} minutes"
          + ("" if schedule.counts_system_calls else "; perf cannot count system calls here"))


def work(schedule: Schedule, journal: Journal, load: Path) -> None:
    """Measures what the journal does not have yet."""
    groups = list(schedule.groups())
    count = sum(len(schedule.contenders_of(case)) for _, case in groups)
    count += sum(len(schedule.counted(case)) for case in schedule.cases)
    progress = Progress(schedule.total_seconds(), count)
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
        traffic = Traffic(cable, load)
        for turn, case in groups:
            measure_group(schedule, journal, traffic, progress, turn, case)
        for case in schedule.cases:
            count_group(schedule, journal, traffic, progress, case)


def measure_group(
    schedule: Schedule, journal: Journal, traffic: Traffic, progress: Progress, turn: int, case: Case
) -> None:
    """One case in one round, all contenders: all again when one is missing, since they are compared."""
    # Each comes before and after each other one as often: what came before a measurement may matter.
    group = schedule.contenders_of(case)[::1 if turn % 2 else -1]
    known = journal.group(turn, case.name)
    is_known = all(contender.name in known for contender in group)
    for contender in group:
        expected = schedule.expected_seconds(case, contender)
        if is_known:
            progress.skip(expected)
            continue
        begin = time.monotonic()
        seconds = schedule.probe_seconds if case.kind == "max" else schedule.seconds
        try:
            figures = measurement.measure(
                case, contender, traffic, seconds, hint(journal, turn, case, contender))
        except BenchFailure as failure:
            raise BenchFailure(f"{case.name}, {contender.name}: {failure}") from None
        taken = time.monotonic() - begin
        journal.append({"round": turn, "case": case.name, "contender": contender.name, "taken": round(taken, 2),
                        "figures": figures})
        title = f"{turn}/{schedule.rounds} {case.name} {contender.name}"
        progress.note(title, report.brief(case, figures), expected, taken)


def hint(journal: Journal, turn: int, case: Case, contender: Contender) -> float:
    """Where a search begins: near the contender's result of the round before."""
    earlier = journal.group(turn - 1, case.name).get(contender.name) if case.kind == "max" else None
    return earlier["figures"]["rate"] if earlier else 0


def count_group(
    schedule: Schedule, journal: Journal, traffic: Traffic, progress: Progress, case: Case
) -> None:
    known = journal.group(0, case.name)
    for contender in schedule.counted(case):
        expected = schedule.expected_count_seconds()
        if contender.name in known:
            progress.skip(expected)
            continue
        begin = time.monotonic()
        try:
            calls = measurement.count_system_calls(case, contender, traffic, schedule.probe_seconds)
        except BenchFailure as failure:
            raise BenchFailure(f"{case.name}, {contender.name}, system calls: {failure}") from None
        taken = time.monotonic() - begin
        journal.append({"round": 0, "case": case.name, "contender": contender.name, "taken": round(taken, 2),
                        "figures": {"systemCalls": calls}})
        shown = "not counted" if calls is None else f"{calls:.3f} system calls a datagram"
        progress.note(f"calls {case.name} {contender.name}", shown, expected, taken)


if __name__ == "__main__":
    arguments = options()
    sys.exit(command.run("bench", lambda: main(arguments), "; 'bench/run.py --resume' goes on from here"))
