#!/usr/bin/env python3
"""Soaks guise: hours of mixed load, flows that come and go, and faults, in pairs of gateways on each engine.

A round lasts a minute. Twenty flows send evenly all the time; hundreds of others come and go; in the middle
something breaks (bench/soak/faults.py) and is mended. At the end of each round, when all has calmed down, memory,
descriptors, sockets and the round trips of a probe are written down. It fails when any of them has grown, when a
probe after a fault gets no answers, when a gateway ends, or when its counters do not balance at the end. Needs
root and a built guise.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import command
from harness.cable import SERVICE_PORT, Cable
from harness.contenders import Guise, Passage
from harness.memory import memory_bound, resident, resident_outside_pools
from harness.programs import BenchFailure, Program
from soak import faults, picture
from soak.samples import Sample, complaints, descriptors

BINARIES = Path(__file__).resolve().parents[2] / ".build" / "release"
ROUND_SECONDS = 60.0
#: Flows without traffic are gone before the round is looked at.
IDLE_SECONDS = 8
#: Most flows at once: the steady ones, those that come and go and their last eight seconds, and what forged SYNs open.
FLOWS_MAX = 1_000


@dataclass
class Pair:
    """A client and a server on one engine, and what is known of them."""

    engine: str
    cable: Cable
    passage: Passage
    random: random.Random
    samples: list[Sample] = field(default_factory=list)
    number: int = 0

    def start(self, name: str, namespace: str, *arguments: str) -> Program:
        self.number += 1
        return self.cable.start(f"{name}-{self.number}", namespace, [str(BINARIES / "guise-load"), *arguments])

    def send(self, name: str, *arguments: str) -> Program:
        return self.start(name, self.cable.client, "send", "--to", self.passage.target, "--echo", "--json", "--quiet",
                          *arguments)

    def finish(self, program: Program, seconds: float) -> dict:
        """What a program reports. Loss is no failure: there are faults; damage is."""
        program.finish(seconds)
        text = program.out.read_text()
        report = json.loads(text) if text else {}
        if not report:
            raise BenchFailure(f"{self.engine}: {program.name} has nothing to report{program.tail()}")
        if report.get("echo", {}).get("corrupt", 0):
            raise BenchFailure(f"{self.engine}: datagrams came back damaged in '{program.name}': {report}")
        self.forget(program)
        return report

    def forget(self, program: Program) -> None:
        self.cable.forget(program)
        program.out.unlink()
        program.log.unlink()

    def check_alive(self, fault: str) -> None:
        for program in self.cable.programs:
            if program.name.startswith("guise-") and program.ended():
                raise BenchFailure(f"{self.engine}: {program.name} ended after '{fault}'{program.tail(20)}")


def play_round(pairs: list[Pair], fault: str, began: float) -> None:
    """A minute of load with one fault in it, on all pairs side by side."""
    start = time.monotonic()
    steady = [pair.send("steady", "--flows", "20", "--size", "64-1400", "--rate", "1000p", "--duration", "40")
              for pair in pairs]
    churn = [pair.send("churn", "--flows", "300", "--size", "24-1400", "--rate", "1500p", "--duration", "30")
             for pair in pairs]
    burst = [pair.send("burst", "--flows", "4", "--rate", "100M", "--duration", "3", "--gso", "8", "--verify", "head")
             for pair in pairs]
    time.sleep(6)
    for pair in pairs:
        client, server = pair.passage.pids
        if fault:
            getattr(faults, fault)(faults.Site(pair.cable, client, server, pair.random))
        pair.check_alive(fault)
    for pair, program in zip(pairs, burst):
        pair.finish(program, 60)
    for pair, program in zip(pairs, churn):
        pair.finish(program, 60)
    reports = [pair.finish(program, 60) for pair, program in zip(pairs, steady)]
    # Until the flows have closed that send no more.
    time.sleep(max(0.0, ROUND_SECONDS - 6 - (time.monotonic() - start)))
    probes = [pair.start("probe", pair.cable.client, "ping", "--to", pair.passage.target, "--size", "200",
                         "--interval", "5000", "--duration", "4", "--json", "--quiet") for pair in pairs]
    for pair, probe, report in zip(pairs, probes, reports):
        latency = pair.finish(probe, 30)
        note(pair, fault or "none", report, latency, time.monotonic() - began)
        pair.check_alive(fault)


def note(pair: Pair, fault: str, steady: dict, probe: dict, seconds: float) -> None:
    client, server = pair.passage.pids
    sockets = pair.cable.run(pair.cable.server, ["ss", "-Huan"]).count("\n")
    micros = probe["latencyMicroseconds"]
    pair.samples.append(Sample(
        seconds, fault, resident(client), resident(server), resident_outside_pools(client),
        resident_outside_pools(server), descriptors(client), descriptors(server), sockets,
        micros["p50"], micros["p99"], probe["sent"], probe["lost"], steady["sent"], steady["echo"]["lost"]))


def say(pairs: list[Pair]) -> None:
    for pair in pairs:
        s = pair.samples[-1]
        print(f"{s.seconds / 60:6.1f} min  {pair.engine:9} {s.fault:16} memory {s.client_bytes / 2**20:5.1f} "
              f"{s.server_bytes / 2**20:5.1f} MiB, beside buffers {s.client_own_bytes / 2**20:.2f} "
              f"{s.server_own_bytes / 2**20:.2f}, descriptors {s.client_descriptors} {s.server_descriptors}, "
              f"sockets {s.sockets}, probe p50 {s.p50:.0f} p99 {s.p99:.0f} us, lost {s.probes_lost}; "
              f"steady lost {s.lost} of {s.sent}", flush=True)


def soak(options: argparse.Namespace) -> tuple[dict[str, list[Sample]], dict[str, list[dict[str, int]]]]:
    names = [fault.__name__ for fault in faults.ALL]
    with ExitStack() as stack:
        pairs = []
        # Inside the cables' stack: gateways are looked at while their cables are there.
        gateways = stack.enter_context(ExitStack())
        for engine in options.engines:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guise-soak-")))
            cable = stack.enter_context(Cable(folder, f"soak-{engine}"))
            guise = Guise(engine, BINARIES / "guise", engine, options=("--idle-timeout", str(IDLE_SECONDS)))
            passage = gateways.enter_context(guise.passage(cable))
            pair = Pair(engine, cable, passage, random.Random(options.seed))
            echo = pair.start("echo", cable.server, "echo", "--listen", f"0.0.0.0:{SERVICE_PORT}", "--quiet")
            cable.wait_for_port(echo, SERVICE_PORT)
            pairs.append(pair)
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < options.hours * 3600:
            # Every other round nothing breaks: what grows without faults is seen apart.
            fault = names[number // 2 % len(names)] if number % 2 else ""
            number += 1
            play_round(pairs, fault, began)
            say(pairs)
        # Ends the gateways, and raises unless their counters balance.
        gateways.close()
        tables = {pair.engine: [table.as_dict() for table in pair.passage.tables or ()] for pair in pairs}
        return {pair.engine: pair.samples for pair in pairs}, tables


def main(options: argparse.Namespace) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    runs, tables = soak(options)
    bound = memory_bound(FLOWS_MAX, os.cpu_count() or 1)
    found = [f"{engine}: {complaint}" for engine, samples in runs.items() for complaint in complaints(samples, bound)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "soak.json").write_text(json.dumps({
        "samples": {engine: [sample.as_dict() for sample in samples] for engine, samples in runs.items()},
        "counters": tables, "complaints": found}, indent=1) + "\n")
    picture.draw(runs, options.out / "soak.svg")
    print(f"written to {options.out}")
    if found:
        raise BenchFailure("; ".join(found))
    print("nothing grew, and the counters of all gateways balance")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=0.5, help="how long (default 0.5)")
    parser.add_argument("--engines", nargs="+", default=["io_uring", "epoll"], choices=("io_uring", "epoll"))
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn at random (default 1)")
    parser.add_argument("--out", type=Path, default=Path(".build/soak"), help="folder of the report (.build/soak)")
    arguments = parser.parse_args()
    sys.exit(command.run("soak", lambda: main(arguments)))
