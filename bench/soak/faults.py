"""What goes wrong during a soak: each fault does its harm to one pair of gateways and takes it back."""

import ctypes
import os
import random
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.cable import CLIENT_ADDRESS, SERVER_ADDRESS, TCP_PORT, Cable
from harness.programs import run

_CLONE_NEWNET = 0x40000000


@dataclass
class Site:
    """Where faults happen: a cable and the gateways on it."""

    cable: Cable
    client_pid: int
    server_pid: int
    random: random.Random


def link_down(site: Site) -> None:
    """The client's cable is out for two seconds."""
    run(["ip", "-n", site.cable.client, "link", "set", "eth0", "down"])
    time.sleep(2)
    run(["ip", "-n", site.cable.client, "link", "set", "eth0", "up"])


def stall_client(site: Site) -> None:
    """The client gets no CPU for a second."""
    _stall(site.client_pid)


def stall_server(site: Site) -> None:
    """The server gets no CPU for a second."""
    _stall(site.server_pid)


def _stall(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(pid, signal.SIGCONT)


def forged_segments(site: Site) -> None:
    """20 000 segments come to the server's port that nobody asked for, resets and SYNs among them."""
    _flood(site, site.cable.client, CLIENT_ADDRESS, SERVER_ADDRESS, to_server=True)


def forged_answers(site: Site) -> None:
    """20 000 segments come to the client from the server's port that no flow has sent."""
    _flood(site, site.cable.server, SERVER_ADDRESS, CLIENT_ADDRESS, to_server=False)


def _flood(site: Site, namespace: str, source: str, destination: str, to_server: bool) -> None:
    raw = _in_namespace(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    with raw:
        for number in range(20_000):
            port = site.random.randrange(1024, 65536)
            ports = (port, TCP_PORT) if to_server else (TCP_PORT, port)
            raw.sendto(_segment(source, destination, ports, site.random), (destination, 0))
            if number % 200 == 199:
                time.sleep(0.01)


def _segment(source: str, destination: str, ports: tuple[int, int], rng: random.Random) -> bytes:
    """A TCP segment without payload whose header is whole and means nothing.

    A payload whose numbers happened to fit would be delivered, as one with forged addresses is by UDP.
    """
    flags = rng.choice((0x02, 0x04, 0x10, 0x10, 0x11, 0x12, 0x14, 0x00, 0x3F))
    fields = (*ports, rng.getrandbits(32), rng.getrandbits(32), 5 << 4, flags, 0xFFFF)
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    pseudo = addresses + struct.pack("!BBH", 0, 6, 20)
    checksum = _checksum(pseudo + struct.pack("!HHIIBBHHH", *fields, 0, 0))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + addresses
    return ip + struct.pack("!HHIIBBHHH", *fields, checksum, 0)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _in_namespace(namespace: str, make: Callable[[], socket.socket]) -> socket.socket:
    """Makes a socket in a network namespace; it stays there (network_namespaces(7))."""
    with open("/proc/self/ns/net", "rb") as home, open(Path("/run/netns") / namespace, "rb") as there:
        _enter(there.fileno())
        try:
            return make()
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def lossy_path(site: Site) -> None:
    """A tenth of the packets is lost for five seconds, and others overtake each other, where netem is there."""
    command = ["tc", "-n", site.cable.client, "qdisc"]
    netem = [*command, "add", "dev", "eth0", "root", "netem", "delay", "2ms", "reorder", "90%", "loss", "10%"]
    if subprocess.run(netem, capture_output=True, check=False).returncode != 0:
        return
    time.sleep(5)
    run([*command, "del", "dev", "eth0", "root"])


def new_address(site: Site) -> None:
    """The client's host has another address for three seconds."""
    command = ["ip", "-n", site.cable.client, "address"]
    # One goes before the other comes: with the first address of a network, the kernel removes the others.
    run([*command, "del", f"{CLIENT_ADDRESS}/24", "dev", "eth0"])
    run([*command, "add", "192.0.2.9/24", "dev", "eth0"])
    time.sleep(3)
    run([*command, "del", "192.0.2.9/24", "dev", "eth0"])
    run([*command, "add", f"{CLIENT_ADDRESS}/24", "dev", "eth0"])


ALL: tuple[Callable[[Site], None], ...] = (
    link_down, forged_segments, stall_server, lossy_path, stall_client, forged_answers, new_address)
