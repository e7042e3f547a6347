"""That thousands of flows open and are held at once, by the measurements of them, cut short."""

import os
import tempfile
import unittest
from pathlib import Path

from harness.cable import Cable
from scale import many_flows, opening

PROGRAMS = [many_flows.BINARIES / name for name in ("guise", "guise-load")]


@unittest.skipUnless(os.geteuid() == 0, "network namespaces need root")
@unittest.skipUnless(all(program.exists() for program in PROGRAMS), "the programs are not built ('make build')")
class ManyFlowsTests(unittest.TestCase):
    #: A machine that is busy with something else, as with building the other tests, may be too slow at times for what is
    #: asked here: what waits for handshakes outgrows the room for it, and sockets overflow. It is not three times in a row.
    ATTEMPTS = 3

    def some_run(self, measure, is_good):
        """What is measured, as soon as it is good; or how it was not, each time."""
        runs = []
        for _ in range(self.ATTEMPTS):
            runs.append(measure())
            if is_good(runs[-1]):
                return runs[-1]
        self.fail("\n".join(map(str, runs)))

    def test_more_flows_of_one_address_than_a_server_takes_by_default_are_open_at_once(self) -> None:
        # Three quarters of 20 000 descriptors, where a process may have no more, are fewer.
        flows = 15_000
        self.some_run(lambda: opening.measure(flows, rate=2_000), lambda run: (run.opened, run.lost) == (flows, 0))

    def test_what_more_flows_send_than_tun_remembers_comes_back_without_detours(self) -> None:
        def measure():
            with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
                return many_flows.measure(cable, "io_uring", flows=5_000, rate="2500p", seconds=8, workers=2)

        self.some_run(measure, lambda run: many_flows.complaints(run, run, workers=2) == [])
