"""Drives guise-load against the service: one function for each way of loading a path."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cable import SERVICE_PORT, Cable
from .cases import Case
from .programs import BenchFailure, Program

#: Small datagrams that open each flow before it is measured, 0.1 s apart.
OPENING_COUNT = 3
#: How long after the sender's end datagrams may still arrive.
_DRAIN_SECONDS = 0.3


@dataclass
class Traffic:
    """guise-load in both namespaces."""

    cable: Cable
    load: Path

    def one_way(self, case: Case, target: str, rate: str, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Sends to a sink for `seconds`; returns what the sender and the sink report."""
        sent_file = self.cable.folder / "sent.json"
        sent_file.unlink(missing_ok=True)
        sink = self._service(["sink", "--latency", "--json", "--quiet", "--expect-json", str(sent_file)]
                             + (["--gro"] if case.gso > 1 else []))
        sender = self._sender(case, target, rate, seconds)
        self._finish(sender, seconds)
        sent_file.write_bytes(sender.out.read_bytes())
        time.sleep(_DRAIN_SECONDS)
        return self._report(sender), self._end(sink)

    def both_ways(self, case: Case, target: str, rate: str, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Sends to an echo; returns what the sender, with what came back, and the echo report."""
        echo = self._service(["echo", "--json", "--quiet"])
        sender = self._sender(case, target, rate, seconds, "--echo")
        self._finish(sender, seconds)
        return self._report(sender), self._end(echo)

    def round_trips(self, case: Case, target: str, seconds: float) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Ping-pong with an echo, beside a paced load both ways when the case has one; returns what ping
        and the load report."""
        echo = self._service(["echo", "--json", "--quiet"])
        background = None
        if case.load:
            loading = Case("load", "paced", "", size="1400")
            background = self._sender(loading, target, case.load, seconds + 0.6, "--echo", "--verify", "head",
                                      name="load")
            # The load's flow is open, and the load in full swing, when the first round trip begins.
            time.sleep(0.1 * OPENING_COUNT + 0.4)
        ping = self._client("ping", ["ping", "--to", target, "--size", case.size, "--duration", f"{seconds:g}",
                                     "--json", "--quiet"])
        self._finish(ping, seconds)
        loaded = None
        if background is not None:
            self._finish(background, seconds)
            loaded = self._report(background)
        self._end(echo)
        return self._report(ping), loaded

    def _service(self, arguments: list[str]) -> Program:
        service = self.cable.start(
            "service", self.cable.server, [str(self.load), *arguments, "--listen", f"0.0.0.0:{SERVICE_PORT}"])
        self.cable.wait_for_port(service, SERVICE_PORT)
        return service

    def _sender(
        self, case: Case, target: str, rate: str, seconds: float, *options: str, name: str = "sender"
    ) -> Program:
        arguments = ["send", "--to", target, "--flows", str(case.flows), "--size", case.size, "--rate", rate,
                     "--duration", f"{seconds:g}", "--opening", str(OPENING_COUNT), "--json", "--quiet", *options]
        if case.gso > 1:
            arguments += ["--gso", str(case.gso)]
        if case.bunch:
            arguments += ["--burst", str(case.bunch), "--bunched"]
        if case.in_turn:
            arguments += ["--burst", "1"]
        return self._client(name, arguments)

    def _client(self, name: str, arguments: list[str]) -> Program:
        return self.cable.start(name, self.cable.client, [str(self.load), *arguments])

    def _finish(self, program: Program, seconds: float) -> None:
        """Waits for a program that ends by itself after `seconds`, with time for openings and stragglers."""
        code = program.finish(seconds + 20)
        self.cable.forget(program)
        if code != 0:
            raise BenchFailure(f"guise-load ({program.name}) ended with {code}{program.tail()}")

    def _end(self, service: Program) -> dict[str, Any]:
        code = service.stop()
        self.cable.forget(service)
        if code != 0:
            raise BenchFailure(f"guise-load ({service.name}) ended with {code}{service.tail()}")
        return self._report(service)

    @staticmethod
    def _report(program: Program) -> dict[str, Any]:
        try:
            return json.loads(program.out.read_text())
        except json.JSONDecodeError:
            raise BenchFailure(f"guise-load ({program.name}) printed no JSON{program.tail()}") from None
