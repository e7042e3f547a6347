#!/usr/bin/env python3
"""Holds thousands of flows open at once, end to end, and asks whether anything is lost, goes astray or becomes slow.

Every flow sends to an echo through a pair of gateways, all together at one rate. Beside them a probe measures round
trips in a flow of its own. The same rate in few flows says what that would be anyway. Needs root and a built guise.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import arguments as kinds, command
from harness.cable import SERVICE_PORT, Cable
from harness.contenders import Guise
from harness.counters import CounterTable, handoff_share
from harness.memory import memory_bound, resident
from harness.programs import BenchFailure, Program

BINARIES = Path(__file__).resolve().parents[2] / ".build" / "release"

#: What the probe's p99 may be with many flows, as a multiple of that with few.
LATENCY_RATIO_MAX = 2.0
#: Packets passed between workers, for each datagram or segment that came in.
HANDOFFS_MAX = 0.001
#: Segments without data, of all that came in, beyond those of each flow's opening.
ACKS_MAX = 0.01
#: Those at each end, at most: SYN or SYN|ACK, the ACK that follows, and a first sign of life, asked for or given.
OPENING_SEGMENTS_MAX = 3


@dataclass
class Outcome:
    """One run."""

    flows: int
    sent: int
    lost: int
    #: Of the probe, microseconds.
    p50: float
    p99: float
    probes_lost: int
    #: Resident memory in bytes, client and server, when all flows were open.
    client_bytes: int
    server_bytes: int
    #: Packets passed between workers at either end, for each datagram or segment that came in.
    handoffs: float
    #: Segments without data, beyond those of each flow's opening, of all segments that came in.
    acks: float
    #: Why packets or datagrams ended early at either gateway, by name.
    drops: dict[str, int]


def complaints(few: Outcome, many: Outcome, workers: int) -> list[str]:
    """What is not as it should be."""
    found = [f"{run.lost} of {run.sent} datagrams lost in {run.flows} flows" for run in (few, many) if run.lost]
    # Those that have no answer are not among the round trips.
    found += [f"{run.probes_lost} probes lost in {run.flows} flows" for run in (few, many) if run.probes_lost]
    found += [f"{run.handoffs:.2%} of packets handed over in {run.flows} flows" for run in (few, many)
              if run.handoffs > HANDOFFS_MAX]
    found += [f"{run.acks:.1%} of the segments carried no data in {run.flows} flows" for run in (few, many)
              if run.acks > ACKS_MAX]
    if many.p99 > LATENCY_RATIO_MAX * few.p99:
        found.append(f"p99 of the probe {many.p99:.0f} us, more than {LATENCY_RATIO_MAX:g} times {few.p99:.0f} us")
    bound = memory_bound(many.flows, workers)
    for name, size in (("client", many.client_bytes), ("server", many.server_bytes)):
        if size > bound:
            found.append(f"the {name} has {size >> 20} MiB in memory, more than {bound >> 20} MiB")
    return found


def acks_share(*tables: CounterTable) -> float:
    """Segments without data at any of the ends, beyond those of each flow's opening, of all segments that came in."""
    extra = sum(table["control segments in"] - OPENING_SEGMENTS_MAX * table["flows opened"] for table in tables)
    return max(extra, 0) / max(sum(table["segments in"] for table in tables), 1)


def report(program: Program) -> dict:
    code = program.finish(30)
    if code != 0:
        raise BenchFailure(f"{program.name} ended with {code}{program.tail()}")
    return json.loads(program.out.read_text())


def measure(cable: Cable, engine: str, flows: int, rate: str, seconds: float, workers: int) -> Outcome:
    load = str(BINARIES / "guise-load")
    # All flows come from one address, which by default has three quarters of a server.
    guise = Guise(engine, BINARIES / "guise", engine, options=("--workers", str(workers)), server_options=("--max-flows-per-source", str(flows + 1)))
    with guise.passage(cable) as passage:
        echo = cable.start("echo", cable.server, [load, "echo", "--listen", f"0.0.0.0:{SERVICE_PORT}", "--quiet"])
        cable.wait_for_port(echo, SERVICE_PORT)
        sender = cable.start("sender", cable.client, [
            load, "send", "--to", passage.target, "--echo", "--flows", str(flows), "--size", "200", "--rate", rate,
            "--duration", f"{seconds:g}", "--json", "--quiet"])
        # Every flow has had its turn, and is open, before the probe begins.
        time.sleep(seconds / 4)
        probe = cable.start("probe", cable.client, [
            load, "ping", "--to", passage.target, "--size", "200", "--interval", "5000",
            "--duration", f"{seconds / 2:g}", "--json", "--quiet"])
        time.sleep(seconds / 4)
        client_bytes, server_bytes = (resident(pid) for pid in passage.pids)
        round_trips, sent = report(probe), report(sender)
        echo.stop()
        for program in (probe, sender, echo):
            cable.forget(program)
    assert passage.tables is not None
    if (opened := passage.tables[1]["flows opened"]) < flows:
        raise BenchFailure(f"only {opened} of {flows} flows have opened at the server")
    drops: dict[str, int] = {}
    for table in passage.tables:
        for name, count in table.drops.items():
            if count:
                drops[name] = drops.get(name, 0) + count
    latency = round_trips["latencyMicroseconds"]
    return Outcome(flows, sent["sent"], sent["echo"]["lost"], latency["p50"], latency["p99"], round_trips["lost"],
                   client_bytes, server_bytes, handoff_share(*passage.tables), acks_share(*passage.tables), drops)


def main(options: argparse.Namespace) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    workers = options.workers
    outcomes = []
    for flows in (options.few, options.flows):
        with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
            outcomes.append(measure(cable, options.engine, flows, options.rate, options.seconds, workers))
        if not options.json:
            run = outcomes[-1]
            print(f"{run.flows:6} flows: {run.lost} of {run.sent} lost, probe p50 {run.p50:.0f} p99 {run.p99:.0f} us, "
                  f"client {run.client_bytes / 2**20:.1f} MiB, server {run.server_bytes / 2**20:.1f} MiB, "
                  f"hand-offs {run.handoffs:.4%}, without data {run.acks:.2%}, drops {run.drops or 'none'}", flush=True)
    few, many = outcomes
    found = complaints(few, many, workers)
    if options.json:
        print(json.dumps({"few": asdict(few), "many": asdict(many), "complaints": found}))
    else:
        spread = many.flows - few.flows
        for name, difference in (("client", many.client_bytes - few.client_bytes),
                                 ("server", many.server_bytes - few.server_bytes)):
            print(f"{name}: {difference / spread:.0f} bytes more in memory for each flow more")
        print(f"probe p99 x{many.p99 / few.p99:.2f}; memory bound {memory_bound(many.flows, workers) >> 20} MiB")
    if found:
        raise BenchFailure("; ".join(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=kinds.count, default=18_000, help="flows at once (default 18000)")
    parser.add_argument("--few", type=kinds.count, default=10, help="flows to compare with (default 10)")
    parser.add_argument("--seconds", type=kinds.seconds, default=60, help="length of each run (default 60)")
    parser.add_argument("--rate", default="18000p", help="of all flows together, as guise-load takes it (18000p)")
    parser.add_argument("--engine", default="io_uring", choices=("io_uring", "epoll"))
    parser.add_argument("--workers", type=kinds.count, default=2, help="of each gateway (default 2)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.few >= arguments.flows:
        parser.error("--few takes fewer than --flows")
    sys.exit(command.run("many_flows", lambda: main(arguments)))
