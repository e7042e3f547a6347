"""When a soak says that something has grown."""

import os
import unittest

from harness.memory import resident, resident_outside_pools
from soak.samples import Sample, complaints

MIB = 1 << 20


def sample(**changes: object) -> Sample:
    values: dict[str, object] = {
        "seconds": 60.0, "fault": "none", "client_bytes": 20 * MIB, "server_bytes": 20 * MIB,
        "client_own_bytes": 9 * MIB, "server_own_bytes": 9 * MIB, "client_descriptors": 20, "server_descriptors": 20,
        "sockets": 3, "p50": 100.0, "p99": 400.0, "probes": 800, "probes_lost": 0, "sent": 40_000, "lost": 0}
    return Sample(**(values | changes))


def soak(name: str, values: list[object]) -> list[Sample]:
    return [sample(**{name: value}) for value in values]


class ComplaintsTests(unittest.TestCase):
    def test_what_stays_as_it_was_is_fine(self) -> None:
        self.assertEqual(complaints([sample()] * 12, 64 * MIB), [])

    def test_a_leak_is_found_however_slow(self) -> None:
        leak = soak("server_own_bytes", [9 * MIB + number * 100_000 for number in range(12)])
        self.assertRegex(" ".join(complaints(leak, 64 * MIB)), "server: memory beside buffers grew")

    def test_buffers_that_a_stall_has_touched_are_no_leak_and_have_a_bound(self) -> None:
        stalled = soak("client_bytes", [20 * MIB] * 6 + [40 * MIB] * 6)
        self.assertEqual(complaints(stalled, 64 * MIB), [])
        self.assertRegex(complaints(stalled, 30 * MIB)[0], "client had 40.0 MiB in memory, more than 30.0 MiB")

    def test_one_descriptor_more_is_found(self) -> None:
        for name in ("client_descriptors", "server_descriptors", "sockets"):
            found = complaints(soak(name, [20] * 6 + [21] * 6), 64 * MIB)
            self.assertRegex(" ".join(found), "grew from 20 to 21", name)

    def test_probes_without_answers_are_found_in_any_round(self) -> None:
        self.assertRegex(complaints([sample(fault="link_down", probes_lost=100)], 64 * MIB)[0], "after 'link_down'")


class MemoryTests(unittest.TestCase):
    def test_what_lies_outside_the_pools_is_part_of_the_whole(self) -> None:
        self.assertTrue(0 < resident_outside_pools(os.getpid()) <= resident(os.getpid()) + MIB)
