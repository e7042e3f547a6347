"""Whom the traffic goes through: nothing, guise in its variants, and other gateways of the same trade."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .cable import ENTRANCE_PORT, SERVER_ADDRESS, SERVICE_PORT, TCP_PORT, Cable
from .cases import Case
from .counters import CounterTable
from .programs import BenchFailure, Program, run


@dataclass
class Passage:
    """A way to the service while it is up."""

    #: Where the sender sends to.
    target: str
    pids: list[int] = field(default_factory=list)
    #: Filled in when a guise has ended: its counters, client and server.
    tables: tuple[CounterTable, CounterTable] | None = None


@dataclass(frozen=True)
class Contender:
    """One way to carry the traffic. `name` is its key in results."""

    name: str

    @contextmanager
    def passage(self, cable: Cable) -> Iterator[Passage]:
        """Direct UDP over the veth, with no gateway."""
        yield Passage(f"{SERVER_ADDRESS}:{SERVICE_PORT}")

    def takes(self, case: Case) -> bool:
        """Whether it has something to say about a case."""
        return True


#: Options of guise with masquerade and DNAT, whether or not packets could be translated at tc.
TRACKED = ("--firewall", "tracked")


def cpus_of_their_own() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Options of client and server that keep each on a CPU of its own, as two hosts would: the scheduler may put
    both ends on one CPU and the load's programs on the other."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise BenchFailure(f"two gateways on a CPU each need two CPUs, and there is {cpus[0]} alone")
    return ("--cpus", str(cpus[0])), ("--cpus", str(cpus[1]))


@dataclass(frozen=True)
class Guise(Contender):
    """A pair of guise gateways. Their counters must balance when they end."""

    binary: Path
    engine: str
    offload: bool = True
    #: Further options for both ends.
    options: tuple[str, ...] = ()
    #: And for each alone.
    client_options: tuple[str, ...] = ()
    server_options: tuple[str, ...] = ()

    def takes(self, case: Case) -> bool:
        """Without offload only some."""
        return self.offload or case.without_offload

    @property
    def server_command(self) -> list[str]:
        return [str(self.binary), "server", "--local", str(TCP_PORT), "--remote", f"127.0.0.1:{SERVICE_PORT}",
                *self._both_options, *self.server_options]

    @property
    def client_command(self) -> list[str]:
        return [str(self.binary), "client", "--local", f"127.0.0.1:{ENTRANCE_PORT}",
                "--remote", f"{SERVER_ADDRESS}:{TCP_PORT}", *self._both_options, *self.client_options]

    @property
    def _both_options(self) -> list[str]:
        return ["--engine", self.engine, "--offload", "auto" if self.offload else "off", "--ipv4-only", *self.options]

    def start(self, cable: Cable) -> tuple[Program, Program]:
        """Both ends, once they are ready: client and server."""
        server = cable.start("guise-server", cable.server, self.server_command)
        server.says(" ready: ", 20)
        client = cable.start("guise-client", cable.client, self.client_command)
        client.says(" ready: ", 20)
        return client, server

    @contextmanager
    def passage(self, cable: Cable) -> Iterator[Passage]:
        client, server = self.start(cable)
        passage = Passage(f"127.0.0.1:{ENTRANCE_PORT}", [client.pid, server.pid])
        try:
            yield passage
        except BenchFailure:
            # One that has ended is why.
            check_alive([client, server])
            raise
        check_alive([client, server])
        tables = []
        for program in (client, server):
            code = program.stop()
            if code != 0:
                raise BenchFailure(f"{program.name} ended with {code}{program.tail(20)}")
            tables.append(CounterTable(program.log.read_text(errors="replace")))
            tables[-1].check(program.name)
            cable.forget(program)
        passage.tables = (tables[0], tables[1])


@dataclass(frozen=True)
class Relays(Contender):
    """Two programs that receive and send, and nothing else, in the gateways' places: no TUN, no headers, nothing
    translated, and one way only. The C compiler makes them once a run."""

    def takes(self, case: Case) -> bool:
        return not case.is_answered

    @contextmanager
    def passage(self, cable: Cable) -> Iterator[Passage]:
        relay = cable.folder / "relay"
        if not relay.exists():
            run(["cc", "-O2", "-o", str(relay), str(Path(__file__).with_name("relay.c"))])
        server = cable.start("relay-server", cable.server, [str(relay), str(TCP_PORT), "127.0.0.1", str(SERVICE_PORT)])
        client = cable.start("relay-client", cable.client, [str(relay), str(ENTRANCE_PORT), SERVER_ADDRESS, str(TCP_PORT)])
        try:
            wait_until_it_carries(cable, [client, server], seconds=1)
            yield Passage(f"127.0.0.1:{ENTRANCE_PORT}", [client.pid, server.pid])
            check_alive([client, server])
        finally:
            stop_all(cable, [client, server])


@dataclass(frozen=True)
class Phantun(Contender):
    """A pair of stock Phantun gateways, set up as its own documentation says."""

    folder: Path

    @contextmanager
    def passage(self, cable: Cable) -> Iterator[Passage]:
        for namespace, rule in (
            (cable.client, "chain out { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }"),
            (cable.server, "chain in { type nat hook prerouting priority dstnat; "
                           f"iifname eth0 tcp dport {TCP_PORT} dnat ip to 192.168.201.2; }}"),
        ):
            cable.run(namespace, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
            cable.run(namespace, ["nft", "-f", "-"], stdin=f"table inet bench {{\n{rule}\n}}\n")
        quiet = {"RUST_LOG": "error"}
        server = cable.start("phantun-server", cable.server, [
            str(self._program("server")), "--local", str(TCP_PORT),
            "--remote", f"127.0.0.1:{SERVICE_PORT}"], quiet)
        client = cable.start("phantun-client", cable.client, [
            str(self._program("client")), "--local", f"127.0.0.1:{ENTRANCE_PORT}",
            "--remote", f"{SERVER_ADDRESS}:{TCP_PORT}"], quiet)
        try:
            wait_until_it_carries(cable, [client, server])
            yield Passage(f"127.0.0.1:{ENTRANCE_PORT}", [client.pid, server.pid])
            check_alive([client, server])
        finally:
            stop_all(cable, [client, server])
            for namespace in (cable.client, cable.server):
                cable.run(namespace, ["nft", "delete", "table", "inet", "bench"])
                cable.run(namespace, ["sysctl", "-qw", "net.ipv4.ip_forward=0"])

    def _program(self, role: str) -> Path:
        """Release archives call it `phantun_client`, a build from source `client`."""
        for name in (f"phantun_{role}", role):
            if (self.folder / name).is_file():
                return self.folder / name
        raise BenchFailure(f"there is no phantun_{role} in {self.folder}: set PHANTUN_DIR to its folder")


@dataclass(frozen=True)
class UDP2Raw(Contender):
    """A pair of udp2raw gateways without cipher and authentication, which is all that compares."""

    binary: Path

    @contextmanager
    def passage(self, cable: Cable) -> Iterator[Passage]:
        options = ["--raw-mode", "faketcp", "--cipher-mode", "none", "--auth-mode", "none",
                   "--disable-anti-replay", "-k", "bench", "-a", "--log-level", "2"]
        server = cable.start("udp2raw-server", cable.server, [
            str(self.binary), "-s", f"-l0.0.0.0:{TCP_PORT}", f"-r127.0.0.1:{SERVICE_PORT}", *options])
        client = cable.start("udp2raw-client", cable.client, [
            str(self.binary), "-c", f"-l127.0.0.1:{ENTRANCE_PORT}", f"-r{SERVER_ADDRESS}:{TCP_PORT}", *options])
        try:
            wait_until_it_carries(cable, [client, server], seconds=8)
            yield Passage(f"127.0.0.1:{ENTRANCE_PORT}", [client.pid, server.pid])
            check_alive([client, server])
        finally:
            stop_all(cable, [client, server])


def check_alive(programs: list[Program]) -> None:
    """Raises where one has ended: what its path carried until then is no measurement."""
    for program in programs:
        if program.ended():
            raise BenchFailure(f"{program.name} ended by itself{program.tail(20)}")


def wait_until_it_carries(cable: Cable, programs: list[Program], seconds: float = 3) -> None:
    """Waits until the client takes datagrams; these gateways do not say so themselves."""
    deadline = time.monotonic() + seconds
    taken = ["ss", "-Huln", f"sport = :{ENTRANCE_PORT}"]
    while not cable.run(cable.client, taken).strip():
        for program in programs:
            if program.ended():
                raise BenchFailure(f"{program.name} ended with {program.process.returncode}{program.tail()}")
        if time.monotonic() > deadline:
            raise BenchFailure(f"{programs[0].name} does not listen on UDP port {ENTRANCE_PORT}")
        time.sleep(0.02)
    # The other end has no such sign: give it as long as a slow start takes.
    time.sleep(seconds / 6)


def stop_all(cable: Cable, programs: list[Program]) -> None:
    for program in programs:
        program.stop(seconds=3)
        cable.forget(program)
