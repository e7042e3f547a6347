"""One load through one pair of guise gateways, on a cable of its own, with the CPU time that they took for it."""

import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cable import Cable
from .cases import Case
from .contenders import Guise
from .counters import CounterTable
from .meters import cpu_time
from .traffic import Traffic


@dataclass
class Carriage:
    """What came of it."""

    #: The reports of sender and sink.
    sent: dict[str, Any]
    arrived: dict[str, Any]
    #: CPU seconds of both gateways.
    cpu: float
    client: CounterTable
    server: CounterTable

    @property
    def cpu_per_gigabyte(self) -> float:
        """CPU seconds of both gateways for each 10^9 bytes that arrived."""
        return self.cpu / (self.arrived["bytes"] / 1e9)


def carry(case: Case, guise: Guise, load: Path, seconds: float,
          meanwhile: AbstractContextManager[None] | None = None) -> Carriage:
    """Sends one way as the case says, with `load` as sender and sink; `meanwhile` is entered around just that."""
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
        with guise.passage(cable) as passage:
            before = cpu_time(passage.pids)
            with meanwhile or nullcontext():
                sent, arrived = Traffic(cable, load).one_way(case, passage.target, case.rate, seconds)
            spent = cpu_time(passage.pids) - before
        assert passage.tables is not None
        return Carriage(sent, arrived, spent.user + spent.system, *passage.tables)
