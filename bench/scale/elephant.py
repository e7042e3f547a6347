#!/usr/bin/env python3
"""What one fast flow gets, over one fake-TCP flow and over several, and what a TCP inside makes of the order.

    app-a ── client ══════════ server ── app-b
    vxlan    guise   TCP 4567   guise    vxlan        there
             guise   TCP 4568   guise                 and back

The inner TCP runs over VXLAN, a kernel's own tunnel in UDP, so that like WireGuard's it is one UDP flow each way. VXLAN
answers to a fixed port, so that the way back takes a pair of gateways of its own. Beside it, one flow of plain datagrams is
flooded. Needs root, a built guise, and the kernel's vxlan.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import arguments as kinds, command
from harness.cable import CLIENT_ADDRESS, SERVER_ADDRESS, TCP_PORT, Cable
from harness.carriage import carry
from harness.cases import Case
from harness.contenders import Guise
from harness.meters import cpu_time
from harness.programs import BenchFailure, Program, run

BINARIES = Path(__file__).resolve().parents[2] / ".build" / "release"
VXLAN_PORT = 4789
#: Within a segment of guise at an MTU of 1500: 14 bytes of Ethernet and 8 of VXLAN come in front.
INNER_MTU = 1400

#: What is compared: its name, and the options of every gateway.
SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "one worker": (("--workers", "1"), ()),
    "two workers": (("--workers", "2"), ()),
    "two workers, 2 connections": (("--workers", "2"), ("--connections", "2")),
    "2 connections, shared out": (("--workers", "2"), ("--connections", "2", "--spread", "auto")),
    "two workers, 4 connections": (("--workers", "2"), ("--connections", "4")),
    "4 connections, shared out": (("--workers", "2"), ("--connections", "4", "--spread", "auto")),
}

RECEIVE = """
import json, socket, time
listener = socket.create_server(("10.99.0.2", 7000))
print("listening", flush=True)
peer, _ = listener.accept()
start, count, buffer = time.monotonic(), 0, bytearray(1 << 20)
while size := peer.recv_into(buffer):
    count += size
print(json.dumps({"bytes": count, "seconds": time.monotonic() - start}))
"""
SEND = """
import socket, sys, time
peer = socket.create_connection(("10.99.0.2", 7000), timeout=10)
peer.settimeout(10)
end, data = time.monotonic() + float(sys.argv[1]), bytes(1 << 18)
while time.monotonic() < end:
    peer.sendall(data)
peer.shutdown(socket.SHUT_WR)
"""


@dataclass
class Inside:
    """What a TCP got through the tunnel."""

    gigabits: float
    #: Of the segments sent: sent again, and arrived before one that was sent earlier.
    retransmitted: float
    early: float
    #: CPU seconds of the gateways for each GB.
    cpu: float


@dataclass
class Flood:
    """What a flood of datagrams of one flow came to."""

    gigabits: float
    reordered: float
    cpu: float


def counters(cable: Cable, namespace: str) -> dict[str, int]:
    """The kernel's counters of TCP (/proc/net/snmp and netstat: lines of names, each before one of values)."""
    found: dict[str, int] = {}
    lines = cable.run(namespace, ["cat", "/proc/net/snmp", "/proc/net/netstat"]).splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        prefix, *fields = names.split()
        found |= {prefix + field: int(value) for field, value in zip(fields, values.split()[1:])}
    return found


@contextmanager
def programs_hosts(cable: Cable) -> Iterator[tuple[str, str]]:
    """A host for the program on either side, on a wire of its own to its gateway, with one end of a VXLAN."""
    hosts = (cable.client + "-a", cable.server + "-b")
    try:
        for number, (host, gateway) in enumerate(zip(hosts, (cable.client, cable.server)), start=1):
            run(["ip", "netns", "add", host])
            run(["ip", "link", "add", "eth0", "netns", host, "type", "veth", "peer", "name", "app", "netns", gateway])
            for namespace, device, address in ((host, "eth0", 1), (gateway, "app", 2)):
                run(["ip", "-n", namespace, "address", "add", f"10.98.{number}.{address}/24", "dev", device])
                run(["ip", "-n", namespace, "link", "set", device, "up"])
            run(["ip", "-n", host, "link", "set", "lo", "up"])
            run(["ip", "-n", host, "link", "add", "vx", "mtu", str(INNER_MTU), "type", "vxlan", "id", "7", "dstport",
                 str(VXLAN_PORT), "nolearning"])
            # A wire that is none leaves checksums to a card that is none, and guise would carry them unfinished.
            cable.run(host, ["ethtool", "-K", "vx", "tx", "off"])
            run(["ip", "-n", host, "address", "add", f"10.99.0.{number}/24", "dev", "vx"])
            run(["ip", "-n", host, "link", "set", "vx", "up"])
            cable.run(host, ["bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx", "dst", f"10.98.{number}.2",
                             "port", "5000"])
        yield hosts
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host], stderr=subprocess.DEVNULL, check=False)


def inside(engine: str, both: tuple[str, ...], clients: tuple[str, ...], seconds: float) -> Inside:
    guise = str(BINARIES / "guise")
    common = ["--engine", engine, "--ipv4-only", *both]
    with (tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable,
          programs_hosts(cable) as (app_a, app_b)):
        gateways: list[Program] = []
        # A server and a client for each direction; each end has one of both, on TUN devices of their own.
        for number, (near, far, address) in enumerate(((cable.client, cable.server, SERVER_ADDRESS),
                                                       (cable.server, cable.client, CLIENT_ADDRESS)), start=1):
            port = TCP_PORT + number - 1
            gateways.append(cable.start(f"server-{number}", far, [
                guise, "server", "--local", str(port), "--remote", f"10.98.{3 - number}.1:{VXLAN_PORT}", *common]))
            gateways[-1].says(" ready: ", 5)
            gateways.append(cable.start(f"client-{number}", near, [
                guise, "client", "--local", f"10.98.{number}.2:5000", "--remote", f"{address}:{port}", *common,
                *clients]))
            gateways[-1].says(" ready: ", 5)
        receiver = cable.start("receiver", app_b, [sys.executable, "-c", RECEIVE])
        deadline = time.monotonic() + 10
        while "listening" not in receiver.out.read_text():
            if receiver.ended() or time.monotonic() > deadline:
                raise BenchFailure(f"the receiver does not listen{receiver.tail()}")
            time.sleep(0.01)
        before, clock = [counters(cable, host) for host in (app_a, app_b)], cpu_time([one.pid for one in gateways])
        sender = cable.start("sender", app_a, [sys.executable, "-c", SEND, f"{seconds:g}"])
        for program in (sender, receiver):
            if program.finish(seconds + 20) != 0:
                raise BenchFailure(f"{program.name} failed{program.tail()}")
            cable.forget(program)
        spent = cpu_time([one.pid for one in gateways]) - clock
        after = [counters(cable, host) for host in (app_a, app_b)]
        got = json.loads(receiver.out.read_text().splitlines()[-1])
        for program in gateways:
            program.stop()
            cable.forget(program)

        def grown(host: int, name: str) -> int:
            return after[host].get(name, 0) - before[host].get(name, 0)

        # The sender's counters know segments, whatever super-packets they left in.
        sent = max(grown(0, "Tcp:OutSegs"), 1)
        return Inside(got["bytes"] * 8 / got["seconds"] / 1e9, grown(0, "Tcp:RetransSegs") / sent,
                      grown(1, "TcpExt:TCPOFOQueue") / sent, (spent.user + spent.system) / (got["bytes"] / 1e9))


def flood(engine: str, both: tuple[str, ...], clients: tuple[str, ...], seconds: float) -> Flood:
    # The option is the client's alone; a server has none of that name.
    guise = Guise(engine, BINARIES / "guise", engine, True, both, client_options=clients)
    load = carry(Case("flood", "flood", ""), guise, BINARIES / "guise-load", seconds)
    arrived = load.arrived
    return Flood(arrived["bitsPerSecond"] / 1e9, arrived["reordered"] / arrived["received"], load.cpu_per_gigabyte)


def main(options: argparse.Namespace) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    print("| engine | | TCP inside, Gbit/s | sent again | came early | CPU, s/GB | datagrams flooded, Gbit/s "
          "| came late | CPU, s/GB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for engine in options.engines.split(","):
        tunnels: dict[str, list[Inside]] = {name: [] for name in SETTINGS}
        floods: dict[str, list[Flood]] = {name: [] for name in SETTINGS}
        for _ in range(options.rounds):
            for name, (both, clients) in SETTINGS.items():
                tunnels[name].append(inside(engine, both, clients, options.seconds))
                floods[name].append(flood(engine, both, clients, options.seconds))
        for name in SETTINGS:
            def middle(runs: list, field: str) -> float:
                return median(getattr(one, field) for one in runs)

            print(f"| {engine} | {name} | {middle(tunnels[name], 'gigabits'):.2f} "
                  f"| {middle(tunnels[name], 'retransmitted'):.2%} | {middle(tunnels[name], 'early'):.2%} "
                  f"| {middle(tunnels[name], 'cpu'):.2f} | {middle(floods[name], 'gigabits'):.2f} "
                  f"| {middle(floods[name], 'reordered'):.2%} | {middle(floods[name], 'cpu'):.2f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=kinds.count, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--seconds", type=kinds.seconds, default=2, help="length of each run (default 2)")
    parser.add_argument("--engines", type=kinds.engines, default="io_uring")
    arguments = parser.parse_args()
    sys.exit(command.run("elephant", lambda: main(arguments)))
