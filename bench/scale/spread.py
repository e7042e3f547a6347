"""How flows spread over workers, by the functions that guise itself uses."""

import random
from collections import Counter

_WORD = (1 << 64) - 1
#: `FlowOwners.finalMultipliers` (Sources/DataPlane/Flow/FlowOwners.swift).
_FINAL_MULTIPLIERS = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
#: `::ffff:a.b.c.d` as two words in memory order on a little-endian machine (Sources/DataPlane/Wire/Address.swift).
_MAPPED_PREFIX = 0xFFFF_0000


def mapped(address: bytes) -> tuple[int, int]:
    """An IPv4 address as (high, low)."""
    return 0, _MAPPED_PREFIX | int.from_bytes(address, "little") << 32


def _mix(x: int, multiplier: int) -> int:
    product = x * multiplier & _WORD
    return product ^ product >> 32


def server_owner(multipliers: tuple[int, int], remote: tuple[int, int], remote_port: int, local_port: int,
                 workers: int) -> int:
    """`FlowOwners.worker` at a server."""
    x = _mix(remote[0] ^ (remote_port << 16 | local_port), multipliers[0])
    x = _mix(x ^ remote[1], multipliers[1])
    x = _mix(x, _FINAL_MULTIPLIERS[0])
    x = x * _FINAL_MULTIPLIERS[1] & _WORD
    return (x >> 32) * workers >> 32


def client_owner(port: int, workers: int) -> int:
    """`PortSpace.owner`: the client's source port says whose flow it is."""
    return port % workers


def busiest_share(flows: int, workers: int, generator: random.Random) -> float:
    """The load of the busiest worker of a server as a multiple of an even share, flows of equal rate.

    One client, source ports counting up from a random start as `PortSpace.take` gives them.
    """
    multipliers = (generator.getrandbits(64) | 1, generator.getrandbits(64) | 1)
    counts = Counter[int]()
    for number in range(flows):
        # 64 512 ports for each client address.
        address, offset = divmod(number, 64_512)
        remote = mapped(bytes([10, address >> 16 & 255, address >> 8 & 255, address & 255]))
        counts[server_owner(multipliers, remote, 1_024 + offset, 4_567, workers)] += 1
    return max(counts.values()) * workers / flows


def busiest_share_of_client(flows: int, workers: int, generator: random.Random) -> float:
    """The same for a client: the kernel spreads senders over the workers' SO_REUSEPORT sockets by a hash of its
    own, keyed at random (`reuseport_select_sock`, reciprocal_scale), which a uniform draw stands for."""
    counts = Counter(generator.randrange(workers) for _ in range(flows))
    return max(counts.values()) * workers / flows
