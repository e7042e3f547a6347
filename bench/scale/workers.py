#!/usr/bin/env python3
"""Asks whether a second worker is worth having: many flows through one worker at each end, and through two, in turn.

Compares goodput and the CPU time of both gateways for each GB delivered, and shows by the counters how the work splits
between the two. Each pair of runs follows one another, so that what slows the machine down falls on both. With --profile
it says besides who had the machine's cores meanwhile. Needs root, a built guise, and perf for --profile.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import arguments as kinds, command
from harness.carriage import carry
from harness.cases import Case
from harness.contenders import Guise
from harness.counters import CounterTable, handoff_share
from harness.programs import BenchFailure

BINARIES = Path(__file__).resolve().parents[2] / ".build" / "release"

#: What two workers must keep to, by the medians.
SHARE_MAX = 0.60
CPU_RATIO_MAX = 1.10
#: Not less goodput, but for what two runs of the same paced load differ by.
GOODPUT_RATIO_MIN = 0.99


@dataclass
class Run:
    """What one run came to."""

    goodput: float
    #: CPU seconds of both gateways for each GB that arrived.
    cpu: float
    #: Datagrams that arrived, of those sent.
    arrived: float
    #: The busier worker's share at the client, by datagrams, and at the server, by segments.
    client_share: float
    server_share: float
    #: Packets passed between workers at either end, for each datagram or segment that came in.
    handoffs: float


@dataclass
class Comparison:
    """Alternations of one load on one engine."""

    title: str
    engine: str
    one: list[Run]
    two: list[Run]

    def ratio(self, field: str) -> float:
        """The median over the pairs of what two workers come to, as a multiple of one."""
        return median(getattr(two, field) / getattr(one, field) for one, two in zip(self.one, self.two))

    def share(self, field: str) -> float:
        return median(getattr(run, field) for run in self.two)

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        where, found = f"{self.engine}, {self.title}", []
        for end in ("client", "server"):
            if (share := self.share(f"{end}_share")) > SHARE_MAX:
                found.append(f"{where}: one worker of the {end} has {share:.0%} of the work")
        if (goodput := self.ratio("goodput")) < GOODPUT_RATIO_MIN:
            found.append(f"{where}: goodput of two workers is {goodput:.2f} of that of one")
        if (cpu := self.ratio("cpu")) > CPU_RATIO_MAX:
            found.append(f"{where}: two workers take {cpu:.2f} times the CPU of one for a GB")
        return found

    def row(self) -> str:
        def both(field: str, scale: float, digits: int) -> str:
            return " / ".join(f"{median(getattr(run, field) for run in runs) * scale:.{digits}f}"
                              for runs in (self.one, self.two))

        return (f"| {self.engine} | {self.title} | {both('goodput', 1e-9, 2)} | x{self.ratio('goodput'):.2f} "
                f"| {both('cpu', 1, 2)} | x{self.ratio('cpu'):.2f} | {both('arrived', 100, 1)} "
                f"| {self.share('client_share'):.0%}, {self.share('server_share'):.0%} "
                f"| {self.share('handoffs'):.4%} |")


HEADING = ("| engine | load | goodput, Gbit/s, 1 / 2 workers | | CPU of both ends, s/GB | | arrived, % "
           "| busier worker, client, server | hand-offs |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def busier(table: CounterTable, name: str) -> float:
    """The share of the worker that counted most."""
    return max(table.workers[name]) / max(sum(table.workers[name]), 1)


@contextmanager
def profiled(file: Path | None) -> Iterator[None]:
    """Samples all CPUs meanwhile, if there is a file to do it into."""
    if file is None:
        yield
        return
    perf = subprocess.Popen(["perf", "record", "-a", "-F", "499", "-o", str(file), "sleep", "3600"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        perf.terminate()
        perf.wait()


def run(case: Case, engine: str, workers: int, seconds: float, profile: Path | None = None) -> Run:
    guise = Guise(engine, BINARIES / "guise", engine, True, ("--workers", str(workers)))
    load = carry(case, guise, BINARIES / "guise-load", seconds, profiled(profile))
    client, server, arrived = load.client, load.server, load.arrived
    return Run(arrived["bitsPerSecond"], load.cpu_per_gigabyte, arrived["received"] / load.sent["sent"],
               busier(client, "datagrams in"), busier(server, "segments in"),
               handoff_share(client, server))


def compare(case: Case, title: str, engine: str, rounds: int, seconds: float) -> Comparison:
    one, two = [], []
    for turn in range(rounds):
        # Who goes first takes turns, too.
        for workers in (1, 2) if turn % 2 == 0 else (2, 1):
            (one if workers == 1 else two).append(run(case, engine, workers, seconds))
    return Comparison(title, engine, one, two)


def show_profile(case: Case, engine: str, workers: int, seconds: float) -> None:
    """Prints each program's share of both cores, idle time included."""
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder:
        file = Path(folder) / "perf.data"
        run(case, engine, workers, seconds, file)
        text = subprocess.run(["perf", "report", "-i", str(file), "--sort", "comm", "--stdio", "-g", "none"],
                              capture_output=True, text=True).stdout
    lines = [line.strip() for line in text.splitlines() if "%" in line and not line.startswith("#")]
    print(f"{engine}, {workers} workers, {case.rate}: " + ", ".join(" ".join(line.split()) for line in lines[:9]))


def main(options: argparse.Namespace) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    cases = [(Case("flood", "flood", "", flows=options.flows), "flood"),
             (Case("paced", "paced", "", flows=options.flows, rate=options.rate), options.rate)]
    if options.profile:
        for engine in options.engines.split(","):
            for workers in (1, 2):
                for case, _ in cases:
                    show_profile(case, engine, workers, options.seconds)
        return
    print(HEADING, flush=True)
    found = []
    for engine in options.engines.split(","):
        for case, title in cases:
            comparison = compare(case, title, engine, options.rounds, options.seconds)
            print(comparison.row(), flush=True)
            found += comparison.complaints()
    if found:
        raise BenchFailure("; ".join(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=kinds.count, default=100, help="flows at once (default 100)")
    parser.add_argument("--rounds", type=kinds.count, default=5, help="alternations (default 5)")
    parser.add_argument("--seconds", type=kinds.seconds, default=2, help="length of each run (default 2)")
    parser.add_argument("--rate", default="500M", help="of the paced load, of all flows together (500M)")
    parser.add_argument("--engines", type=kinds.engines, default="io_uring,epoll")
    parser.add_argument("--profile", action="store_true", help="who had the cores, in place of the comparison")
    arguments = parser.parse_args()
    sys.exit(command.run("workers", lambda: main(arguments)))
