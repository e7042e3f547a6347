"""Two hosts on one cable: network namespaces joined by a veth pair.

    client namespace                                server namespace
    sender -> 127.0.0.1:5000                        127.0.0.1:6000 -> sink or echo
                   |                                        ^
             guise client  == TCP port 4567 over veth ==  guise server
               192.0.2.1                              192.0.2.2

Direct UDP goes from 192.0.2.1 to 192.0.2.2:6000 over the same veth.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from .programs import BenchFailure, Program, run

CLIENT_ADDRESS = "192.0.2.1"
SERVER_ADDRESS = "192.0.2.2"
ENTRANCE_PORT = 5000
SERVICE_PORT = 6000
TCP_PORT = 4567


class Cable:
    """Makes the namespaces and removes them, with every program started in them, whatever happens."""

    def __init__(self, folder: Path, label: str = "bench"):
        self.folder = folder
        self.client = f"guise-{label}-{os.getpid()}-c"
        self.server = f"guise-{label}-{os.getpid()}-s"
        self.programs: list[Program] = []

    def __enter__(self) -> "Cable":
        remove_leftovers()
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # An impatient second interrupt must not leave namespaces behind.
        ignored = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
        try:
            self._remove()
        finally:
            for number, disposition in zip(ignored, before):
                signal.signal(number, disposition)

    def _make(self) -> None:
        for namespace in (self.client, self.server):
            run(["ip", "netns", "add", namespace])
        run(["ip", "link", "add", "eth0", "netns", self.client, "type", "veth",
             "peer", "name", "eth0", "netns", self.server])
        for namespace, address in ((self.client, CLIENT_ADDRESS), (self.server, SERVER_ADDRESS)):
            run(["ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0"])
            run(["ip", "-n", namespace, "link", "set", "lo", "up"])
            run(["ip", "-n", namespace, "link", "set", "eth0", "up"])

    def _remove(self) -> None:
        for program in reversed(self.programs):
            program.stop(seconds=3)
        self.programs.clear()
        for namespace in (self.client, self.server):
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)

    def start(
        self, name: str, namespace: str, command: list[str], environment: dict[str, str] | None = None
    ) -> Program:
        """Starts a command in a namespace. Its pid is the command's own: ip(8) executes it in its place."""
        program = Program(name, ["ip", "netns", "exec", namespace, *command], self.folder, environment)
        self.programs.append(program)
        return program

    def forget(self, program: Program) -> None:
        """Drops a program that has ended."""
        self.programs.remove(program)

    def run(self, namespace: str, command: list[str], stdin: str | None = None) -> str:
        return run(["ip", "netns", "exec", namespace, *command], stdin)

    def wait_for_port(self, program: Program, port: int, seconds: float = 30) -> None:
        """Waits until a UDP port is taken in the server's namespace."""
        deadline = time.monotonic() + seconds
        while not self.run(self.server, ["ss", "-Huln", f"sport = :{port}"]).strip():
            if program.ended() or time.monotonic() > deadline:
                raise BenchFailure(f"{program.name} does not listen on UDP port {port}{program.tail()}")
            time.sleep(0.01)


def remove_leftovers() -> None:
    """Ends what a run that was killed left behind: its namespaces, by the number of a process that is no more, and whatever
    still runs there."""
    for line in run(["ip", "netns", "list"]).splitlines():
        name = line.split(" ")[0]
        owner = re.fullmatch(r"guise-[a-z]+-(\d+)-[cs]", name)
        if owner is None or Path(f"/proc/{owner[1]}").exists():
            continue
        print(f"bench: removing {name}, which a run that was killed has left", file=sys.stderr)
        for pid in run(["ip", "netns", "pids", name]).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
