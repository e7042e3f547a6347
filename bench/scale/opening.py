#!/usr/bin/env python3
"""Opens thousands of flows at rising rates, one datagram and its answer each, and says what came of it.

The round trip of a flow's first datagram contains the handshake. Needs root and a built guise.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import arguments as kinds, command
from harness.cable import SERVICE_PORT, Cable
from harness.contenders import Guise
from harness.meters import cpu_time
from harness.programs import BenchFailure

BINARIES = Path(__file__).resolve().parents[2] / ".build" / "release"


@dataclass
class Opening:
    """What one run came to."""

    #: Flows a second that the sender really began.
    rate: float
    opened: int
    lost: int
    #: First round trip, microseconds.
    p50: float
    p99: float
    #: Of both gateways, for each flow.
    cpu_ns: float


def measure(flows: int, rate: int, options: tuple[str, ...] = ()) -> Opening:
    load = str(BINARIES / "guise-load")
    # No limit of a server's, by default on new flows and on those of one address, is to be what is measured.
    guise = Guise("guise", BINARIES / "guise", "io_uring", True, options,
                  server_options=("--max-flows-per-source", str(flows), "--max-new-flows", "1000000"))
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
        with guise.passage(cable) as passage:
            echo = cable.start("echo", cable.server, [load, "echo", "--listen", f"0.0.0.0:{SERVICE_PORT}", "--quiet"])
            cable.wait_for_port(echo, SERVICE_PORT)
            before = cpu_time(passage.pids)
            sender = cable.start("sender", cable.client, [
                load, "send", "--to", passage.target, "--echo", "--flows", str(flows), "--count", str(flows),
                "--size", "200", "--burst", "1", "--rate", f"{rate}p", "--json", "--quiet"])
            if sender.finish(60) != 0:
                raise BenchFailure(f"guise-load ended with {sender.process.returncode}{sender.tail()}")
            spent = cpu_time(passage.pids) - before
            echo.stop()
            for program in (sender, echo):
                cable.forget(program)
        assert passage.tables is not None
        sent = json.loads(sender.out.read_text())
    opened, latency = passage.tables[1]["flows opened"], sent["echo"]["latencyMicroseconds"]
    return Opening(sent["datagramsPerSecond"], opened, sent["sent"] - sent["echo"]["received"], latency["p50"],
                   latency["p99"], (spent.user + spent.system) * 1e9 / max(opened, 1))


def main(flows: int, rates: list[int]) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    print("| asked for, flows/s | begun | opened | without answer | first round trip p50 / p99 | CPU of both ends a flow |")
    print("| --- | --- | --- | --- | --- | --- |")
    for rate in rates:
        run = measure(flows, rate)
        print(f"| {rate} | {run.rate:.0f} | {run.opened} | {run.lost} | {run.p50 / 1e3:.1f} / {run.p99 / 1e3:.1f} ms "
              f"| {run.cpu_ns / 1e3:.1f} us |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=kinds.count, default=15_000)
    parser.add_argument("--rates", type=kinds.counts,
                        default=[5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 40_000])
    arguments = parser.parse_args()
    sys.exit(command.run("opening", lambda: main(arguments.flows, arguments.rates)))
