"""What gateways have in memory, and what they may have."""

from pathlib import Path

from .programs import BenchFailure

#: Resident memory of a gateway: a third of a worker's buffers (as many bytes as 384 of 67 072, of 1152, since small
#: datagrams touch the fronts alone and of large ones 1 MiB is lent at a time), and 2048 small ones
#: (Sources/DataPlane/Limits.swift), 20 MiB of program, most of it code that all instances share, and 512 bytes a flow.
PROGRAM_BYTES = 20 << 20
BUFFER_BYTES_PER_WORKER = 384 * 67_072 + 2_048 * 1_600
BYTES_PER_FLOW = 512


def memory_bound(flows: int, workers: int) -> int:
    """Bytes that a gateway may have in memory."""
    return PROGRAM_BYTES + workers * BUFFER_BYTES_PER_WORKER + flows * BYTES_PER_FLOW


def resident(pid: int) -> int:
    """Memory of a process in bytes (`VmRSS` of proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchFailure(f"process {pid} has no VmRSS")


#: Anonymous mappings from this size on are a worker's buffers and tables, which are in memory as far as they have been
#: touched (`Region` in Sources/DataPlane/Link). Those of the C library's allocator are smaller.
_POOL_BYTES_MIN = 1 << 20


def resident_outside_pools(pid: int) -> int:
    """Memory of a process in bytes without its workers' buffers and tables (`Rss` of proc_pid_smaps(5))."""
    total = 0
    is_pool = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *fields = line.split()
        if not name.endswith(":"):
            first, last = (int(end, 16) for end in name.split("-"))
            is_pool = len(fields) == 4 and last - first >= _POOL_BYTES_MIN
        elif name == "Rss:" and not is_pool:
            total += int(fields[0]) * 1024
    return total
