#!/usr/bin/env python3
"""How long flows are silent when a gateway is killed and started again, or replaced while it runs.

Datagrams go one way at a steady rate over many flows; in the middle of it one end is killed (SIGKILL) and started anew
at once, or a second process takes its place with `--takeover`. Reported is the longest time in which any flow brought
nothing to the service, the sender's interval included, and whether the service saw the same UDP ports as before. Fails
where a bound is broken, a flow is lost or a port is another. Needs root and a built guise.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness import arguments as kinds, command
from harness.cable import ENTRANCE_PORT, SERVICE_PORT, Cable
from harness.contenders import Guise
from harness.programs import BenchFailure, Program

BINARIES = Path(__file__).resolve().parent.parent / ".build" / "release"
SECONDS = 4.0
#: Longest silence of a flow, in seconds, by the way one process follows the other.
SILENCE_MAX = {"kill": 0.100, "takeover": 0.050}


@dataclass
class Succession:
    """One process after another, and what a flow noticed of it."""

    #: The longest that a flow was silent, seconds.
    silence: float
    lost: int
    #: Sent, but refused by the host, since nobody had the client's port.
    refused: int
    flows: int
    #: What became of the UDP ports at the service; None where they are the same, one for each flow.
    other_ports: str | None


def service_ports(cable: Cable) -> set[str]:
    """The UDP ports that the server's flows leave from."""
    lines = cable.run(cable.server, ["ss", "-Hun", f"dst 127.0.0.1:{SERVICE_PORT}"]).splitlines()
    return {line.split()[2] for line in lines}


def follow(cable: Cable, old: Program, namespace: str, arguments: list[str], way: str) -> Program:
    """Puts another process in the place of `old`; returns it once it is ready."""
    if way == "kill":
        old.process.kill()
        old.process.wait()
        successor = cable.start("successor", namespace, arguments)
    else:
        successor = cable.start("successor", namespace, [*arguments, "--takeover"])
    successor.says(" ready: ", 5)
    if way == "takeover" and old.finish(5) != 0:
        raise BenchFailure(f"{old.name} ended with {old.process.returncode}{old.tail()}")
    cable.forget(old)
    return successor


def measure(engine: str, workers: int, end: str, way: str, flows: int, rate: int) -> Succession:
    load = str(BINARIES / "guise-load")
    guise = Guise(engine, BINARIES / "guise", engine, options=("--workers", str(workers)))
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
        client, server = guise.start(cable)
        sink = cable.start("sink", cable.server, [
            load, "sink", "--listen", f"127.0.0.1:{SERVICE_PORT}", "--json", "--per-flow", "--quiet"])
        cable.wait_for_port(sink, SERVICE_PORT)
        sender = cable.start("sender", cable.client, [
            load, "send", "--to", f"127.0.0.1:{ENTRANCE_PORT}", "--flows", str(flows), "--rate", f"{rate}p", "--size",
            "200", "--duration", f"{SECONDS:g}", "--opening", "3", "--json", "--quiet"])
        time.sleep(SECONDS / 2 + 0.5)
        before = service_ports(cable)
        if end == "server":
            follow(cable, server, cable.server, guise.server_command, way)
        else:
            follow(cable, client, cable.client, guise.client_command, way)
        if (code := sender.finish(SECONDS + 10)) != 0:
            raise BenchFailure(f"the sender ended with {code}{sender.tail()}")
        time.sleep(0.3)
        after = service_ports(cable)
        sink.stop()
        sent, arrived = json.loads(sender.out.read_text()), json.loads(sink.out.read_text())
    other_ports = None
    if before != after or len(after) != flows:
        other_ports = f"{len(after - before)} new, {len(before - after)} gone of {len(before)}"
    # A flow that never comes back is silent from its last datagram until the last of all.
    silences = [max(flow["longestSilenceSeconds"], flow["silentSinceSeconds"]) for flow in arrived["perFlow"]]
    return Succession(
        max(silences), sent["sent"] - arrived["received"],
        sent["refused"], len(arrived["perFlow"]), other_ports)


def main(options: argparse.Namespace) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    complaints = []
    print(f"{options.flows} flows, {options.rate} datagrams/s together, {options.workers} worker(s) an end, "
          f"{options.rounds} rounds\n")
    print("| engine | way | end | longest silence, ms: median, worst | lost, median | flows lost | ports |\n"
          "| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for engine in ("io_uring", "epoll"):
        for way, bound in SILENCE_MAX.items():
            for end in ("server", "client"):
                runs = [measure(engine, options.workers, end, way, options.flows, options.rate)
                        for _ in range(options.rounds)]
                worst, missing = max(run.silence for run in runs), options.flows - min(run.flows for run in runs)
                others = [run.other_ports for run in runs if run.other_ports]
                print(f"| {engine} | {way} | {end} | {median(run.silence for run in runs) * 1e3:.0f}, {worst * 1e3:.0f} "
                      f"| {median(run.lost + run.refused for run in runs):.0f} | {missing} "
                      f"| {others[0] if others else 'the same'} |", flush=True)
                # A datagram that is lost on the way, as some are, makes a silence of two intervals.
                interval = options.flows / options.rate
                if worst > bound + 2 * interval:
                    complaints.append(f"{engine}, {way} of the {end}: silent for {worst * 1e3:.0f} ms")
                # Where none comes back, none is silent for longer than the others.
                most = max(run.lost + run.refused for run in runs)
                if most > options.rate * (bound + 2 * interval):
                    complaints.append(f"{engine}, {way} of the {end}: {most} datagrams lost")
                if missing or others:
                    complaints.append(f"{engine}, {way} of the {end}: flows or their ports were lost")
    if complaints:
        raise BenchFailure("; ".join(complaints))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=kinds.count, default=50)
    parser.add_argument("--rate", type=kinds.count, default=10_000, help="datagrams a second of all flows together")
    parser.add_argument("--workers", type=kinds.count, default=1)
    parser.add_argument("--rounds", type=kinds.count, default=5)
    arguments = parser.parse_args()
    sys.exit(command.run("succession", lambda: main(arguments)))
