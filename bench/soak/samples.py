"""What a soak watches, and when it has grown."""

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

#: What may grow in memory between the second and the last quarter of a soak, in bytes, beside the workers' buffers: more
#: than the noise of the allocator. How many buffers have been touched is up to the longest stall so far; they have a
#: bound, which holds for all that is in memory.
MEMORY_GROWTH_MAX = 512 << 10
#: How much worse the probe's p99 may become, as a factor, and in microseconds beside it: other programs on the
#: machine come and go.
LATENCY_RATIO_MAX = 3.0
LATENCY_ALLOWANCE = 2_000.0
#: A soak shorter than this many rounds says nothing of growth.
ROUNDS_MIN = 8


@dataclass
class Sample:
    """A pair of gateways at the end of a round, when everything has calmed down."""

    seconds: float
    fault: str
    #: Resident memory in bytes, all and without buffers and tables, and open descriptors, client and server.
    client_bytes: int
    server_bytes: int
    client_own_bytes: int
    server_own_bytes: int
    client_descriptors: int
    server_descriptors: int
    #: UDP sockets in the server's namespace: with io_uring they are not among the descriptors.
    sockets: int
    #: Of the probe, microseconds.
    p50: float
    p99: float
    probes: int
    probes_lost: int
    #: Datagrams of the steady load and what of them did not come back, in this round.
    sent: int
    lost: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def complaints(samples: list[Sample], memory_bound: int) -> list[str]:
    """What has grown, or is more than it may be. The first quarter is for warming up."""
    found = [f"after '{sample.fault}' the probe lost {sample.probes_lost} of {sample.probes}"
             for sample in samples if sample.probes_lost * 50 > sample.probes]
    for end in ("client", "server"):
        most = max(getattr(sample, f"{end}_bytes") for sample in samples)
        if most > memory_bound:
            found.append(f"the {end} had {most / 2**20:.1f} MiB in memory, more than {memory_bound / 2**20:.1f} MiB")
    if len(samples) < ROUNDS_MIN:
        return found
    quarter = len(samples) // 4
    early, late = samples[quarter:2 * quarter], samples[-quarter:]

    def medians(name: str) -> tuple[float, float]:
        return tuple(statistics.median(getattr(sample, name) for sample in part) for part in (early, late))

    for name in ("client_own_bytes", "server_own_bytes"):
        before, after = medians(name)
        if after - before > MEMORY_GROWTH_MAX:
            found.append(f"{name.split('_')[0]}: memory beside buffers grew from {before / 2**20:.2f} to "
                         f"{after / 2**20:.2f} MiB")
    for name in ("client_descriptors", "server_descriptors", "sockets"):
        before, after = medians(name)
        if after > before:
            found.append(f"{name.replace('_', ' ')} grew from {before:.0f} to {after:.0f}")
    before, after = medians("p99")
    if after > LATENCY_RATIO_MAX * before + LATENCY_ALLOWANCE:
        found.append(f"the probe's p99 grew from {before:.0f} to {after:.0f} us")
    return found
