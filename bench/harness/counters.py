"""The table of counters that guise prints when it ends, and the books it must keep."""

import re

from .programs import BenchFailure

#: Drops of datagrams that came from UDP, by name; those that may be of either way; all others are of segments.
_DATAGRAM_DROPS = {
    "empty-datagram", "truncated-datagram", "datagram-too-large", "handshake-queue-full", "handshake-failed",
    "port-space-full", "tun-write-failed",
}
_EITHER_DROPS = {"flow-table-full", "handoff-full", "stale-completion"}

_HEADING = re.compile(r"\s+all(\s+worker \d+)*$")
_ROW = re.compile(r"[! ]\s+(\S.*?)\s+(\d+)((?:\s+\d+)*)$")


class CounterTable:
    """Counters and drops by name, summed over the workers; counters of each worker, too."""

    def __init__(self, log: str):
        """Reads the last table in a log."""
        self.counters: dict[str, int] = {}
        self.drops: dict[str, int] = {}
        self.workers: dict[str, list[int]] = {}
        target = None
        for line in log.splitlines():
            if _HEADING.match(line):
                self.counters, self.drops, self.workers = {}, {}, {}
                target = self.counters
            elif target is not None and line.strip() == "dropped:":
                target = self.drops
            elif target is not None and (row := _ROW.match(line)):
                target[row[1]] = int(row[2])
                # A single worker has no column of its own.
                self.workers[row[1]] = [int(count) for count in row[3].split()] or [int(row[2])]
        if "datagrams in" not in self.counters or not self.drops:
            raise BenchFailure("guise printed no table of counters at its end")

    def __getitem__(self, name: str) -> int:
        return self.counters[name]

    @property
    def datagram_drops(self) -> int:
        return sum(count for name, count in self.drops.items() if name in _DATAGRAM_DROPS)

    @property
    def either_drops(self) -> int:
        return sum(count for name, count in self.drops.items() if name in _EITHER_DROPS)

    @property
    def segment_drops(self) -> int:
        return sum(self.drops.values()) - self.datagram_drops - self.either_drops

    @property
    def data_segments_in(self) -> int:
        return self["segments in"] - self["control segments in"]

    def check(self, who: str) -> None:
        """Raises unless what came in went out or was dropped under a name, both ways."""
        up = self["datagrams in"] - self["segments out"] - self.datagram_drops
        down = self.data_segments_in - self["datagrams out"] - self.segment_drops
        # What may be of either way must account for the rest, and never for less than nothing.
        if up < 0 or down < 0 or up + down != self.either_drops:
            shown = ", ".join(f"{k} {v}" for k, v in (self.counters | self.drops).items() if v)
            raise BenchFailure(
                f"the counters of the {who} do not balance: {up} datagrams and {down} segments unaccounted "
                f"for, {self.either_drops} dropped of either kind ({shown})")

    def as_dict(self) -> dict[str, int]:
        """What is not zero."""
        return {name: count for name, count in (self.counters | self.drops).items() if count}


def handoff_share(*tables: CounterTable) -> float:
    """Packets passed between workers at any of the ends, for each datagram or segment that came in."""
    came = sum(table["datagrams in"] + table["segments in"] for table in tables)
    return sum(table["hand-offs"] for table in tables) / max(came, 1)
