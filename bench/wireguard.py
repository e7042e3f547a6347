#!/usr/bin/env python3
"""Asks what guise costs WireGuard: TCP inside wireguard-go, straight over UDP and through guise, in turn.

In a round each contender has a tunnel of its own for as long as two runs of iperf3 take, one to the server and one back.
Ratios are taken within rounds, whose first and last change places. Reported are medians, lowest and highest; fails where
a median ratio is below 0.95. Needs root, a built guise, wireguard-go, wg and iperf3 (`scripts/require.sh test` has them).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import arguments as kinds, command, machine
from harness.cable import SERVICE_PORT, Cable
from harness.contenders import TRACKED, Contender, Guise
from harness.programs import BenchFailure
from harness.summary import Spread

BINARIES = Path(__file__).resolve().parent.parent / ".build" / "release"
#: What wireguard-go alone comes to, guise must come to this share of.
RATIO_MIN = 0.95
#: iperf3's options by direction: its client sends, or receives.
DIRECTIONS = {"up": [], "reverse": ["--reverse"]}
CLIENT_ADDRESS = "10.77.0.1"
SERVER_ADDRESS = "10.77.0.2"
#: WireGuard's 32 bytes more fit into what guise carries over IPv4.
MTU = 1420


@contextmanager
def wireguard(cable: Cable, endpoint: str, wireguard_go: str) -> Iterator[None]:
    """A wireguard-go at each end, the client's peer being at `endpoint`."""
    # Where they listen for wg(8), and the device's name in that, is shared by all namespaces.
    ends = [(cable.client, f"wgc{os.getpid()}", CLIENT_ADDRESS), (cable.server, f"wgs{os.getpid()}", SERVER_ADDRESS)]
    keys = [cable.run(cable.client, ["wg", "genkey"]) for _ in ends]
    public = [cable.run(cable.client, ["wg", "pubkey"], stdin=key).strip() for key in keys]
    peers = [["endpoint", endpoint, "allowed-ips", f"{SERVER_ADDRESS}/32"], ["allowed-ips", f"{CLIENT_ADDRESS}/32"]]
    ports = [[], ["listen-port", str(SERVICE_PORT)]]
    programs = []
    for index, (namespace, device, address) in enumerate(ends):
        program = cable.start(device, namespace, [wireguard_go, "--foreground", device], {"LOG_LEVEL": "verbose"})
        programs.append(program)
        deadline = time.monotonic() + 5
        # wg(8) would remove a socket that does not listen yet.
        while "UAPI listener started" not in program.out.read_text(errors="replace"):
            if program.ended() or time.monotonic() > deadline:
                raise BenchFailure(f"wireguard-go makes no {device}{program.tail()}")
            time.sleep(0.01)
        cable.run(namespace, ["wg", "set", device, "private-key", "/dev/stdin", *ports[index],
                              "peer", public[1 - index], *peers[index]], stdin=keys[index])
        cable.run(namespace, ["ip", "address", "add", f"{address}/24", "dev", device])
        cable.run(namespace, ["ip", "link", "set", device, "mtu", str(MTU), "up"])
    yield
    for program in programs:
        program.stop(seconds=3)
        cable.forget(program)


def rate(report: str) -> float:
    """What arrived, in bit/s, of iperf3's report (`--json`)."""
    try:
        document = json.loads(report)
    except json.JSONDecodeError:
        raise BenchFailure(f"iperf3 reports no JSON: {report[:200]!r}") from None
    if "error" in document:
        raise BenchFailure(f"iperf3 failed: {document['error']}")
    return document["end"]["sum_received"]["bits_per_second"]


def version(wireguard_go: str) -> str:
    """Of the program, by its own account (`wireguard-go v0.0.20220316`)."""
    lines = subprocess.run([wireguard_go, "--version"], capture_output=True, text=True).stdout.splitlines()
    return lines[0] if lines else f"{wireguard_go} (of an unknown version)"


def measure(contender: Contender, seconds: float, wireguard_go: str) -> dict[str, float]:
    """What TCP inside comes to, in bit/s, by direction."""
    rates = {}
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
        with contender.passage(cable) as passage, wireguard(cable, passage.target, wireguard_go):
            server = cable.start("iperf3-server", cable.server, ["iperf3", "--server", "--bind", SERVER_ADDRESS])
            deadline = time.monotonic() + 5
            while not cable.run(cable.server, ["ss", "-Htln", "sport = :5201"]).strip():
                if server.ended() or time.monotonic() > deadline:
                    raise BenchFailure(f"iperf3 does not listen{server.tail()}")
                time.sleep(0.01)
            for direction, options in DIRECTIONS.items():
                client = cable.start("iperf3-client", cable.client, [
                    "iperf3", "--client", SERVER_ADDRESS, "--time", f"{seconds:g}", "--json", *options])
                client.finish(seconds + 10)
                cable.forget(client)
                rates[direction] = rate(client.out.read_text())
    return rates


@dataclass
class Comparison:
    """One engine in one direction against wireguard-go alone: rates in bit/s, a pair for each round."""

    engine: str
    direction: str
    alone: list[float]
    over_guise: list[float]

    @property
    def ratio(self) -> Spread:
        return Spread.of(ours / theirs for ours, theirs in zip(self.over_guise, self.alone))

    def row(self) -> str:
        def spread(rates: list[float]) -> str:
            found = Spread.of(rates)
            return f"{found.median / 1e6:.0f} ({found.low / 1e6:.0f}...{found.high / 1e6:.0f})"

        ratio = self.ratio
        return (f"| {self.engine} | {self.direction} | {spread(self.alone)} | {spread(self.over_guise)} "
                f"| {ratio.median:.2f} ({ratio.low:.2f}...{ratio.high:.2f}) |")

    def complaint(self) -> str | None:
        """What is not as it should be."""
        if self.ratio.median >= RATIO_MIN:
            return None
        return f"{self.engine}, {self.direction}: {self.ratio.median:.3f} of wireguard-go alone"

    def as_dict(self) -> dict[str, Any]:
        return {"engine": self.engine, "direction": self.direction, "ratio": self.ratio.as_dict(),
                "aloneBitsPerSecond": self.alone, "overGuiseBitsPerSecond": self.over_guise}


HEADING = ("| engine | direction | wireguard-go alone, Mbit/s | over guise | ratio |\n"
           "| --- | --- | --- | --- | --- |")


def comparisons(engines: list[str], rounds: list[dict[str, dict[str, float]]]) -> list[Comparison]:
    """Each engine's, from rates by contender and direction."""
    return [Comparison(engine, direction, [turn["direct"][direction] for turn in rounds],
                       [turn[engine][direction] for turn in rounds])
            for engine in engines for direction in DIRECTIONS]


def main(options: argparse.Namespace) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise")
    for program in (options.wireguard_go, "wg", "iperf3"):
        if not shutil.which(program):
            raise BenchFailure(f"there is no {program}: run 'scripts/require.sh test' first")
    engines = options.engines.split(",")
    asked = {"--moderation": options.moderation, "--firewall": options.firewall}
    ours = tuple(word for name, value in asked.items() if value is not None for word in (name, str(value)))
    gateways = [Guise(engine, BINARIES / "guise", engine, options=ours) for engine in engines]
    if options.with_tracked:
        gateways += [Guise(f"{engine}, tracked", BINARIES / "guise", engine, options=ours + TRACKED) for engine in engines]
    contenders = [Contender("direct"), *gateways]
    described = machine.describe(BINARIES / "guise")
    wireguard_go, settings = version(options.wireguard_go), " ".join(["guise", *ours])
    print(f"{wireguard_go}, {settings}, {options.rounds} rounds of {options.seconds:g} s each way\n",
          flush=True)
    rounds = []
    for turn in range(options.rounds):
        order = contenders if turn % 2 == 0 else contenders[::-1]
        rounds.append({contender.name: measure(contender, options.seconds, options.wireguard_go)
                       for contender in order})
    found = comparisons([gateway.name for gateway in gateways], rounds)
    print("\n".join([HEADING, *(comparison.row() for comparison in found)]))
    if options.json:
        document = {"machine": described, "wireguardGo": wireguard_go, "guise": settings,
                    "seconds": options.seconds,
                    "comparisons": [comparison.as_dict() for comparison in found]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if complaints := [complaint for comparison in found if (complaint := comparison.complaint())]:
        raise BenchFailure("; ".join(complaints))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=kinds.count, default=7, help="how often everything is measured (default 7)")
    parser.add_argument("--seconds", type=kinds.seconds, default=3, help="length of each run of iperf3 (default 3)")
    parser.add_argument("--engines", type=kinds.engines, default="io_uring,epoll")
    parser.add_argument("--wireguard-go", default="wireguard-go", metavar="PROGRAM",
                        help="another wireguard-go than the one on the path; since 0.0.20231211 it moves trains")
    parser.add_argument("--moderation", type=int, metavar="US",
                        help="guise's option at both ends, in place of its default")
    parser.add_argument("--firewall", choices=["tc", "tracked", "stateless"],
                        help="guise's option at both ends, in place of its default")
    parser.add_argument("--with-tracked", action="store_true",
                        help="also guise with '--firewall tracked', by nftables in place of programs at tc")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's rates there")
    arguments = parser.parse_args()
    sys.exit(command.run("wireguard", lambda: main(arguments)))
