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
    def test_more_flows_of_one_address_than_a_server_takes_by_default_are_open_at_once(self) -> None:
        # Three quarters of 20 000 descriptors, where a process may have no more, are fewer.
        flows = 15_000
        run = opening.measure(flows, rate=7_500)
        self.assertEqual(run.opened, flows)
        self.assertEqual(run.lost, 0)

    def test_what_thousands_of_flows_send_comes_back(self) -> None:
        with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
            run = many_flows.measure(cable, "io_uring", flows=2_000, rate="2000p", seconds=4)
        self.assertEqual(run.lost, 0)
        self.assertEqual(run.probes_lost, 0)
        self.assertEqual(many_flows.complaints(run, run, len(os.sched_getaffinity(0))), [])
