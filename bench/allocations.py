#!/usr/bin/env python3
"""Counts what a gateway's workers allocate and retain while traffic passes both ways: it should be nothing.

Exact, by uprobes on malloc of the C library and on the Swift runtime's functions in the binary, worker threads only.
Needs root, perf and a built guise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import command
from harness.cable import Cable, SERVICE_PORT
from harness.contenders import Guise
from harness.programs import BenchFailure

BINARIES = Path(__file__).resolve().parent.parent / ".build" / "release"
PROBES = Path("/sys/kernel/tracing/uprobe_events")
FUNCTIONS = ("swift_allocObject", "swift_retain", "swift_release", "swift_retain_n", "swift_release_n", "swift_once")
LIBRARY = ("malloc", "calloc", "realloc", "posix_memalign")
PROBED = (*FUNCTIONS, *LIBRARY)
SECONDS = 2


def file_offset(binary: Path, symbol: str) -> int:
    """Where a function's code lies in the file, as uprobes want it told."""
    dynamic = ["-D"] if binary.name.startswith("libc") else []
    names = subprocess.run(["nm", *dynamic, str(binary)], capture_output=True, text=True, check=True).stdout
    address = next((int(fields[0], 16) for fields in map(str.split, names.splitlines())
                    if len(fields) == 3 and fields[2].split("@")[0] == symbol and fields[1] in "tTwW"), None)
    if address is None:
        raise BenchFailure(f"{binary} has no function {symbol}")
    segments = subprocess.run(["readelf", "-lW", str(binary)], capture_output=True, text=True, check=True).stdout
    for fields in map(str.split, segments.splitlines()):
        if fields[:1] == ["LOAD"]:
            offset, start, _, size = (int(field, 16) for field in fields[1:5])
            if start <= address < start + size:
                return address - start + offset
    raise BenchFailure(f"{symbol} lies in no segment of {binary}")


def tell_kernel(line: str) -> None:
    """Adds or removes a probe. (The file cannot be sought in, as Python's append mode would.)"""
    file = os.open(PROBES, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def c_library(pid: int) -> Path:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "/libc.so" in line or "/libc-" in line:
            return Path(line.split()[-1])
    raise BenchFailure("the gateway maps no C library")


def workers(pids: list[int]) -> list[str]:
    return [task.name for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()
            if (task / "comm").read_text().startswith("guise-")]


def count(threads: list[str]) -> dict[str, int]:
    events = ",".join(f"guise_bench:{name}" for name in PROBED)
    result = subprocess.run(["perf", "stat", "-x,", "-e", events, "-t", ",".join(threads), "sleep", str(SECONDS)],
                            capture_output=True, text=True)
    rows = [line.split(",") for line in result.stderr.splitlines() if "guise_bench:" in line]
    if len(rows) != len(PROBED):
        raise BenchFailure(f"perf stat failed: {result.stderr.strip()}")
    return {row[2].partition(":")[2]: int(row[0]) for row in rows}


def measure(engine: str, cable: Cable) -> dict[str, int]:
    """Calls by function, and the datagrams delivered meanwhile, both ways together."""
    binary, load = BINARIES / "guise", str(BINARIES / "guise-load")
    with Guise(engine, binary, engine).passage(cable) as passage:
        library = c_library(passage.pids[0])
        probes = [(name, binary) for name in FUNCTIONS] + [(name, library) for name in LIBRARY]
        for name, place in probes:
            tell_kernel(f"p:guise_bench/{name} {place}:{file_offset(place, name):#x}\n")
        echo = cable.start("echo", cable.server, [load, "echo", "--listen", f"0.0.0.0:{SERVICE_PORT}", "--quiet"])
        cable.wait_for_port(echo, SERVICE_PORT)
        sender = cable.start("sender", cable.client, [
            load, "send", "--to", passage.target, "--echo", "--flows", "4", "--size", "64-1400", "--rate", "20000p",
            "--opening", "3", "--duration", str(SECONDS + 2), "--json", "--quiet"])
        time.sleep(1)
        found = count(workers(passage.pids))
        if (code := sender.finish(SECONDS + 10)) != 0:
            raise BenchFailure(f"the sender ended with {code}{sender.tail()}")
        report = json.loads(sender.out.read_text())
        if report["echo"]["received"] < 0.95 * report["sent"]:
            raise BenchFailure(f"only {report['echo']['received']} of {report['sent']} datagrams came back")
        # Of those that went in the whole run, as many as went while it was looked at.
        found["datagrams"] = round((report["sent"] + report["echo"]["received"]) * SECONDS / (SECONDS + 2))
        echo.stop()
        cable.forget(sender)
        cable.forget(echo)
    return found


def main() -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load")
    total = 0
    for engine in ("io_uring", "epoll"):
        try:
            with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
                found = measure(engine, cable)
        finally:
            for name in PROBED:
                if f"guise_bench/{name} " in PROBES.read_text():
                    tell_kernel(f"-:guise_bench/{name}\n")
        datagrams = found.pop("datagrams")
        total += sum(found.values())
        print(f"{engine}, about {datagrams} datagrams: " + ", ".join(f"{n} {c}" for n, c in found.items()))
    if total > 0:
        raise BenchFailure("the workers allocate, count references, or look after constants that are made when first used")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(command.run("allocations", main))
