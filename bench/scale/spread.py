"""How flows spread over workers, by the functions that guise itself uses."""

import random
from collections import Counter

#: The last constant of KeyHash (Sources/DataPlane/Flow/KeyHash.swift).
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_WORD = (1 << 64) - 1
#: `::ffff:a.b.c.d` as two words in memory order on a little-endian machine (Sources/DataPlane/Wire/Address.swift).
_MAPPED_PREFIX = 0xFFFF_0000


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product >> 64) ^ (product & _WORD)


def mapped(address: bytes) -> tuple[int, int]:
    """An IPv4 address as (high, low)."""
    return 0, _MAPPED_PREFIX | int.from_bytes(address, "little") << 32


def key_hash(seed: tuple[int, int], remote: tuple[int, int], local: tuple[int, int],
             remote_port: int, local_port: int) -> int:
    """`KeyHash.hash`."""
    ports = remote_port << 16 | local_port
    inner = _fold(remote[1] ^ seed[0], remote[0] ^ ports ^ seed[1])
    return _fold(local[1] ^ inner ^ seed[1], local[0] ^ ports ^ _GOLDEN)


def server_owner(hash_value: int, workers: int) -> int:
    """`WorkerPlan.owner` at a server: the upper half of the hash, scaled."""
    return (hash_value >> 32) * workers >> 32


def client_owner(port: int, workers: int) -> int:
    """`PortSpace.owner`: the client's source port says whose flow it is."""
    return port % workers


def busiest_share(flows: int, workers: int, generator: random.Random) -> float:
    """The load of the busiest worker of a server as a multiple of an even share, flows of equal rate.

    One client, source ports counting up from a random start as `PortSpace.take` gives them.
    """
    seed = (generator.getrandbits(64), generator.getrandbits(64))
    local = mapped(bytes([192, 168, 201, 2]))
    counts = Counter[int]()
    for number in range(flows):
        # 64 512 ports for each client address.
        address, offset = divmod(number, 64_512)
        remote = mapped(bytes([10, address >> 16 & 255, address >> 8 & 255, address & 255]))
        value = key_hash(seed, remote, local, 1_024 + offset, 4_567)
        counts[server_owner(value, workers)] += 1
    return max(counts.values()) * workers / flows


def busiest_share_of_client(flows: int, workers: int, generator: random.Random) -> float:
    """The same for a client: the kernel spreads senders over the workers' SO_REUSEPORT sockets by a hash of its
    own, keyed at random (`reuseport_select_sock`, reciprocal_scale), which a uniform draw stands for."""
    counts = Counter(generator.randrange(workers) for _ in range(flows))
    return max(counts.values()) * workers / flows
