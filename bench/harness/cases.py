"""The table of what is measured. Add a row here and nothing else changes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One kind of traffic, measured for every contender.

    `kind` is `flood` (as fast as the sender can), `paced` (at `rate`), `max` (a search for the highest rate
    at which at most 1 % is lost) or `ping` (round trips, one datagram at a time).
    """

    name: str
    kind: str
    why: str
    size: str = "1400"
    flows: int = 1
    rate: str = "max"
    #: Datagrams in one message that the kernel cuts (UDP_SEGMENT); the receiver then takes trains, too.
    gso: int = 1
    #: The service sends everything back.
    echo: bool = False
    #: Datagrams that leave together at a rate; 0: evenly spaced.
    bunch: int = 0
    #: Flows of a flood send one datagram each in turn, and not sixteen.
    in_turn: bool = False
    #: A paced load both ways beside a ping; empty: none.
    load: str = ""
    #: Also with `--offload off`, one packet a segment: what is left of the engines without trains.
    without_offload: bool = False
    #: Part of `--quick`.
    quick: bool = False

    @property
    def is_answered(self) -> bool:
        """Whether datagrams come back as well."""
        return self.echo or self.kind == "ping"


CASES: tuple[Case, ...] = (
    # Floods: what the path carries when the sender does not care. Loss is expected; where it happens is told.
    Case("flood-1400-1", "flood", "the plainest question: one flow of full datagrams, no offload at the sender",
         without_offload=True, quick=True),
    Case("flood-1400-5", "flood", "several flows share workers and batches; five is what iperf3 comparisons use",
         flows=5, without_offload=True, quick=True),
    # With a hundred flows the trains of one batch are short: between one flow and a packet a segment.
    Case("flood-1400-100", "flood", "many flows: a batch holds few datagrams of each, so trains are short",
         flows=100),
    Case("flood-1400-100-turns", "flood", "no datagram follows one of its own flow, as from a hundred users at once",
         flows=100, in_turn=True),
    Case("flood-200-1", "flood", "small datagrams: cost per datagram, where bytes cost nothing",
         size="200", without_offload=True, quick=True),
    Case("flood-200-5", "flood", "small datagrams in several flows", size="200", flows=5),
    # Unequal lengths cannot join a train, so this is the bad case; 100 flows would add nothing to 5.
    Case("flood-mixed-1", "flood", "lengths at random cannot form trains: the cost of a packet a segment",
         size="64-1400"),
    Case("flood-mixed-5", "flood", "the same in several flows", size="64-1400", flows=5),
    # Trains from the application on, as from QUIC stacks or wireguard-go. Without offload it says nothing new.
    Case("flood-gso-1", "flood", "the sender hands over trains of 40 (UDP_SEGMENT), the receiver takes trains",
         gso=40, quick=True),
    Case("flood-gso-5", "flood", "the same in five flows", gso=40, flows=5),
    # Both ways: uplink and downlink compete in one worker. One size is enough to see it.
    Case("flood-1400-1-echo", "flood", "both directions at once in one worker", echo=True),
    Case("flood-1400-5-echo", "flood", "both directions at once in several flows", flows=5, echo=True),
    # Searches: the figure that people quote. Each takes several probes, so only the four that differ most.
    Case("max-1400-1", "max", "full datagrams, one flow", quick=True),
    Case("max-1400-5", "max", "full datagrams, five flows", flows=5),
    Case("max-200-1", "max", "small datagrams, one flow", size="200"),
    Case("max-mixed-1", "max", "lengths at random, one flow", size="64-1400"),
    # Paced: what a user has all day. CPU and one-way latency are the figures, loss should be none.
    Case("paced-1400-400M-bunched", "paced", "bursts of 32 as QUIC stacks and WireGuard send them",
         rate="400M", bunch=32, without_offload=True, quick=True),
    Case("paced-1400-400M-even", "paced", "the same evenly spaced: there is little to batch", rate="400M"),
    Case("paced-1400-200M-even", "paced", "half of that: rests save most here, and delay what has no queue to wait in",
         rate="200M"),
    Case("paced-mixed-250M", "paced", "unequal datagrams at a rate that all contenders carry",
         size="64-1400", rate="250M"),
    Case("paced-200-80M", "paced", "50 000 small datagrams a second, as of voice or games", size="200",
         rate="80M"),
    # Round trips. Batching must not cost latency: idle shows the wake-ups, loaded the queues.
    Case("ping-200-idle", "ping", "round trips with nothing else on the path", size="200",
         without_offload=True, quick=True),
    Case("ping-200-loaded", "ping", "round trips beside 200 Mbit/s of 1400 bytes in both directions",
         size="200", load="200M"),
)


def title(case: Case) -> str:
    """Names a case for tables and plots; no two cases share a title."""
    size = "64–1400 B" if "-" in case.size else f"{case.size} B"
    if case.gso > 1:
        size = f"{case.gso} × {size}"
    if case.kind == "ping":
        return f"ping-pong {size}, " + (f"beside {_bits(case.load)}" if case.load else "idle")
    if case.kind == "paced":
        way = f"bursts of {case.bunch}" if case.bunch else "even"
        return f"{size} at {_bits(case.rate)}, {way}"
    flows = "1 flow" if case.flows == 1 else f"{case.flows} flows"
    return f"{size}, {flows}" + (" in turn" if case.in_turn else "") + (", both ways" if case.echo else "") + (", at ≤ 1 % loss" if case.kind == "max" else "")


def bits_per_second(rate: str) -> float | None:
    """Of a rate as `400M`; None for `max`."""
    return None if rate == "max" else float(rate[:-1]) * {"k": 1e3, "M": 1e6, "G": 1e9}[rate[-1]]


def _bits(rate: str) -> str:
    """`400M` as `400 Mbit/s`."""
    return f"{rate[:-1]} {rate[-1]}bit/s"
