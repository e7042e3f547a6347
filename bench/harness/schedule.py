"""The order of measurements, and how long they will take."""

from collections.abc import Iterator
from dataclasses import dataclass

from .cases import Case
from .contenders import Contender

#: Seconds that namespaces, gateways, openings and stragglers take beside the measurement itself.
_OVERHEAD = {"direct": 0.7}
_OVERHEAD_GATEWAY = 1.1
#: Probes that a search needs as a rule, the first flood included, and what each takes beside its length.
_PROBES = 5.5
_OVERHEAD_PROBE = 0.7
#: Length of a probe, and of a run that counts system calls, as a share of a measurement's, and at least.
_PROBE_SHARE = 0.5
_PROBE_SECONDS_MIN = 1.0


@dataclass(frozen=True)
class Schedule:
    """Rounds over cases; in a round every contender of a case takes its turn before the next case comes.

    So contenders that are compared run within seconds of each other, and whatever slows the machine down for
    minutes falls on all of them.
    """

    cases: list[Case]
    contenders: list[Contender]
    rounds: int
    seconds: float
    #: Whether system calls are counted, in runs of their own after the rounds.
    counts_system_calls: bool

    @property
    def probe_seconds(self) -> float:
        return max(_PROBE_SECONDS_MIN, self.seconds * _PROBE_SHARE)

    def contenders_of(self, case: Case) -> list[Contender]:
        """Those that have something to say about a case."""
        return [contender for contender in self.contenders if contender.takes(case)]

    def counted(self, case: Case) -> list[Contender]:
        """Whose system calls are counted in a case: gateways', but not in searches, which are floods again."""
        if not self.counts_system_calls or case.kind == "max":
            return []
        return [contender for contender in self.contenders_of(case) if contender.name != "direct"]

    def groups(self) -> Iterator[tuple[int, Case]]:
        for turn in range(1, self.rounds + 1):
            for case in self.cases:
                yield turn, case

    def expected_seconds(self, case: Case, contender: Contender) -> float:
        """A guess that a run's own experience replaces."""
        overhead = _OVERHEAD.get(contender.name, _OVERHEAD_GATEWAY)
        if case.kind == "max":
            return overhead + _PROBES * (self.probe_seconds + _OVERHEAD_PROBE)
        return overhead + self.seconds

    def expected_count_seconds(self) -> float:
        return _OVERHEAD_GATEWAY + self.probe_seconds + 1.0

    def total_seconds(self) -> float:
        rounds = sum(
            self.expected_seconds(case, contender)
            for _, case in self.groups() for contender in self.contenders_of(case))
        return rounds + sum(len(self.counted(case)) for case in self.cases) * self.expected_count_seconds()
