"""The model of larger machines, how flows spread over workers, and what thousands of flows may cost."""

import importlib.util
import json
import random
import tempfile
import unittest
from pathlib import Path

from scale import model, spread
from scale.costs import fitted
from scale.many_flows import Outcome, complaints, memory_bound
from scale.workers import Comparison, Run

COSTS = model.Costs(train=2_000, datagram=400, byte=0, receive=600, turn=0, flow=10_000, handoff=0,
                    misses={1_000: 0.0, 100_000: 50.0})


class SpreadTests(unittest.TestCase):
    def test_an_ipv4_address_is_mapped_as_the_program_does(self) -> None:
        # ::ffff:192.0.2.1: the bytes 00 00 ff ff c0 00 02 01 as a little-endian word.
        self.assertEqual(spread.mapped(bytes([192, 0, 2, 1])), (0, 0x010200C0_FFFF0000))

    def test_the_owner_is_that_of_the_program(self) -> None:
        # The values are asserted of FlowOwners as well, in FlowOwnersTests. With so many workers the number is the hash.
        multipliers = (0x0123456789ABCDEF, 0xFEDCBA9876543211)
        six = (int.from_bytes(bytes.fromhex("20010db800000000"), "little"), 2 << 56)
        for remote, owner in ((spread.mapped(bytes([192, 0, 2, 1])), 0x345AEF83), (six, 0xC4CD7437)):
            self.assertEqual(spread.server_owner(multipliers, remote, 40_000, 4_567, 1 << 32), owner)

    def test_every_owner_is_a_worker(self) -> None:
        multipliers = (0x0123456789ABCDEF, 0xFEDCBA9876543211)
        for workers in (1, 3, 256):
            owners = {spread.server_owner(multipliers, (0, address), port, 4_567, workers)
                      for address in range(16) for port in range(1_024, 2_048)}
            self.assertEqual(owners, set(range(workers)))
            self.assertEqual({spread.client_owner(port, workers) for port in range(1_024, 2_048)}, set(range(workers)))

    def test_one_flow_has_one_worker_and_many_share_evenly(self) -> None:
        generator = random.Random(7)
        self.assertEqual(spread.busiest_share(1, 16, generator), 16)
        self.assertLess(spread.busiest_share(20_000, 16, generator), 1.15)
        self.assertLess(spread.busiest_share_of_client(20_000, 16, generator), 1.15)


class ModelTests(unittest.TestCase):
    def test_a_train_is_shared_by_its_datagrams(self) -> None:
        self.assertEqual(model.per_datagram(COSTS, 1, 1, by_itself=True), 3_000)
        self.assertEqual(model.per_datagram(COSTS, 20, 1, by_itself=False), 500)
        self.assertEqual(model.per_datagram(COSTS, 20, 1, by_itself=False, lifetime=10), 1_500)
        self.assertEqual(model.cpu_of_both_ends(COSTS, 0.5, 20, 1_400, by_itself=True), 1_600)

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy, which comes with matplotlib, is not here")
    def test_costs_are_found_again_from_what_they_come_to(self) -> None:
        true = (3_000.0, 2_000.0, 250.0, 0.1, 700.0)
        cases = [(0.04, 14, 1_400, True), (0.1, 1, 1_400, True), (0.02, 40, 1_400, False), (0.05, 12, 200, True),
                 (0.3, 3, 200, True), (0.5, 2, 1_400, True)]
        rows = [model.shares_of_cost(*case) for case in cases]
        spent = [sum(cost * share for cost, share in zip(true, row)) for row in rows]
        for found, cost in zip(fitted(rows, spent), true):
            self.assertAlmostEqual(found, cost, delta=cost * 1e-6)

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy, which comes with matplotlib, is not here")
    def test_a_cost_that_the_cases_do_not_show_is_nothing_rather_than_negative(self) -> None:
        rows = [model.shares_of_cost(turns, 10, size, True) for turns in (0.1, 0.5) for size in (200, 1_400)]
        self.assertTrue(all(cost >= 0 for cost in fitted(rows, [1_000 - 100 * row[0] for row in rows])))

    def test_cache_misses_are_those_of_the_largest_number_measured(self) -> None:
        self.assertEqual([COSTS.miss(flows) for flows in (10, 1_000, 99_999, 1_000_000)], [0, 0, 0, 50])

    def test_the_busiest_worker_limits_all(self) -> None:
        even = model.carried(COSTS, 8, 10_000, 20, by_itself=False, share=1)
        self.assertEqual(even, 8 * 2e6)
        self.assertEqual(model.carried(COSTS, 8, 1, 20, by_itself=False, share=8), even / 8)
        self.assertAlmostEqual(model.gigabits(even), 179.2)

    def test_the_costs_name_their_commands(self) -> None:
        document = json.loads((Path(model.__file__).parent / "costs.json").read_text())
        for cost in document["costs"].values():
            self.assertTrue(cost["from"])
        self.assertTrue(any("error_percent" in check for check in document["checks"]))
        costs = model.Costs.load(Path(model.__file__).parent / "costs.json")
        self.assertGreater(costs.train, costs.datagram)

    def test_a_file_without_a_cost_is_refused(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"costs": {"misses_ns": {"value": {}}}}')
            file.flush()
            with self.assertRaises(KeyError):
                model.Costs.load(Path(file.name))


class WorkersTests(unittest.TestCase):
    one = Run(goodput=2e9, cpu=3.0, arrived=1.0, client_share=1.0, server_share=1.0, handoffs=0.0)

    def compare(self, **changes: float) -> Comparison:
        two = Run(**({"goodput": 2.2e9, "cpu": 3.2, "arrived": 1.0, "client_share": 0.55, "server_share": 0.59,
                      "handoffs": 0.0} | changes))
        return Comparison("flood", "epoll", [self.one] * 3, [two] * 3)

    def test_two_workers_that_are_worth_it_pass(self) -> None:
        self.assertEqual(self.compare().complaints(), [])
        self.assertIn("x1.10", self.compare().row())

    def test_an_uneven_split_less_goodput_and_more_cpu_are_told(self) -> None:
        self.assertIn("server has 61%", self.compare(server_share=0.61).complaints()[0])
        self.assertIn("goodput of two workers is 0.95", self.compare(goodput=1.9e9).complaints()[0])
        self.assertIn("1.13 times the CPU", self.compare(cpu=3.4).complaints()[0])

    def test_one_odd_run_does_not_decide(self) -> None:
        comparison = self.compare()
        comparison.two[1] = Run(1e9, 9.0, 1.0, 1.0, 1.0, 0.0)
        self.assertEqual(comparison.complaints(), [])


class ManyFlowsTests(unittest.TestCase):
    few = Outcome(10, 1_000, 0, 100, 200, 0, 10 << 20, 10 << 20, 0, 0, {})

    def test_a_run_within_its_bounds_passes(self) -> None:
        many = Outcome(18_000, 1_000, 0, 150, 399, 0, 40 << 20, 40 << 20, 0.001, 0.01, {})
        self.assertEqual(complaints(self.few, many, 2), [])

    def test_loss_packets_gone_astray_acknowledgements_latency_and_memory_are_told(self) -> None:
        many = Outcome(18_000, 1_000, 3, 150, 401, 0, 900 << 20, 10 << 20, 0.3, 0.2, {})
        found = complaints(self.few, many, 2)
        self.assertEqual(len(found), 5)
        self.assertIn("3 of 1000", found[0])
        self.assertIn("30.00% of packets handed over in 18000 flows", found[1])
        self.assertIn("20.0% of the segments carried no data in 18000 flows", found[2])
        self.assertIn("client", found[4])

    def test_memory_grows_by_512_bytes_a_flow(self) -> None:
        self.assertEqual(memory_bound(18_000, 2) - memory_bound(0, 2), 18_000 * 512)


if __name__ == "__main__":
    unittest.main()
