#!/usr/bin/env python3
"""Measures what a datagram, a turn, a train and a flow cost a gateway, and writes costs.json for model.py.

Runs one-way loads through gateways with one worker each and divides the CPU time of both gateways by what they
carried, so that the time of sender and receiver, on the same cores, does not count. The costs are those that explain all of
these cases best; cases with two workers are predicted from them, and the errors are written down. Needs root, a built guise,
guise-scale (bench/scale/build.sh .build/scale) and guise-handoff-bench (make handoff-bench).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import arguments as kinds, command
from harness.carriage import carry
from harness.cases import Case
from harness.contenders import Guise
from harness.machine import describe
from scale.model import Costs, cpu_of_both_ends, shares_of_cost
from scale.opening import measure

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / ".build" / "release"
SCALE = ROOT / ".build" / "scale" / "guise-scale"
FILE = Path(__file__).resolve().parent / "costs.json"

HANDOFF_BENCH = BINARIES / "guise-handoff-bench"

FLOOD = Case("1400 bytes, 5 flows", "flood", "", flows=5)
TRAINS = Case("40 x 1400 bytes, 5 flows", "flood", "", flows=5, gso=40)
SMALL = Case("200 bytes, 5 flows", "flood", "", size="200", flows=5)
MANY = Case("1400 bytes, 100 flows", "flood", "", flows=100)
EVEN = Case("1400 bytes at 400 Mbit/s, 5 flows", "paced", "", flows=5, rate="400M")
SMALL_EVEN = Case("200 bytes at 80 Mbit/s, 5 flows", "paced", "", size="200", flows=5, rate="80M")
#: With one worker, and whether with offload.
FITTED = ((FLOOD, True), (FLOOD, False), (TRAINS, True), (SMALL, True), (MANY, True), (EVEN, True), (SMALL_EVEN, True))
#: With two.
PREDICTED = ((FLOOD, True), (FLOOD, False), (TRAINS, True), (SMALL, True), (MANY, True), (EVEN, True))
ROUNDS = 3


def run(case: Case, workers: int, offload: bool, seconds: float) -> dict[str, float]:
    """CPU nanoseconds and turns of both gateways for each datagram delivered, and datagrams in a train."""
    guise = Guise("guise", BINARIES / "guise", "io_uring", offload, ("--workers", str(workers)))
    load = carry(case, guise, BINARIES / "guise-load", seconds)
    client, server, received = load.client, load.server, load.arrived["received"]
    return {"ns": load.cpu * 1e9 / received,
            "turns": (client["turns"] + server["turns"]) / received,
            "train": client["segments out"] / (client["TUN writes"] - client["control segments out"]),
            "gigabits": load.arrived["bitsPerSecond"] / 1e9}


def medians(case: Case, workers: int, offload: bool, seconds: float) -> dict[str, float]:
    rounds = [run(case, workers, offload, seconds) for _ in range(ROUNDS)]
    return {key: median(one[key] for one in rounds) for key in rounds[0]}


def fitted(rows: list[tuple[float, ...]], spent: list[float]) -> list[float]:
    """The costs, none of them negative, that explain best what was spent: least squares of relative errors."""
    import numpy

    shares = numpy.array(rows) / numpy.array(spent)[:, None]
    known = list(range(shares.shape[1]))
    costs = numpy.zeros(shares.shape[1])
    while known:
        found = numpy.linalg.lstsq(shares[:, known], numpy.ones(len(spent)), rcond=None)[0]
        if found.min() >= 0:
            costs[known] = found
            break
        known.pop(int(found.argmin()))
    return [float(cost) for cost in costs]


def misses() -> dict[str, float]:
    """What a packet costs a worker more than with 1000 flows, by number of flows."""
    output = subprocess.run([str(SCALE), "--json"], capture_output=True, text=True).stdout
    rows = {row["flows"]: (row["segment_ns"] + row["datagram_ns"]) / 2 for row in json.loads(output)}
    return {str(flows): round(max(ns - rows[1_000], 0.0), 1) for flows, ns in rows.items()}


def handoff() -> float:
    """A packet passed on: a hop there, a hop home, and a wake-up for it alone, which is the worst case."""
    output = subprocess.run([str(HANDOFF_BENCH), "--json"], capture_output=True, text=True, check=True).stdout
    found = json.loads(output)
    return 2 * found["ring"]["hopNanoseconds"] + found["wakeups"]["MSG_RING to io_uring"]["senderCost"]


def check(case: Case, workers: int, offload: bool, measured: dict[str, float], costs: Costs) -> dict:
    """One line of `checks`."""
    predicted = cpu_of_both_ends(costs, measured["turns"], measured["train"], float(case.size), case.gso == 1)
    return {"case": case.name + ("" if offload else ", offload off"), "workers": workers,
            "train": round(measured["train"], 1), "turns": round(measured["turns"], 4),
            "measured_ns": round(measured["ns"]), "predicted_ns": round(predicted),
            "error_percent": round(100 * (predicted - measured["ns"]) / measured["ns"]),
            "gigabits": round(measured["gigabits"], 2)}


def main(seconds: float) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load", SCALE, HANDOFF_BENCH)
    single = [medians(case, 1, offload, seconds) for case, offload in FITTED]
    rows = [shares_of_cost(one["turns"], one["train"], float(case.size), case.gso == 1)
            for (case, _), one in zip(FITTED, single)]
    turn, train, datagram, byte, receive = fitted(rows, [one["ns"] for one in single])
    how = f"bench/scale/costs.py: fitted to {len(FITTED)} loads with one worker"
    costs = {
        "turn_ns": {"value": round(turn), "from": how},
        "train_ns": {"value": round(train), "from": how},
        "datagram_ns": {"value": round(datagram), "from": how},
        "byte_ns": {"value": round(byte, 3), "from": how},
        "receive_ns": {"value": round(receive), "from": how},
        "handoff_ns": {"value": round(handoff()), "from": "make handoff-bench: two hops, and a message's call"},
        "flow_ns": {"value": round(median(measure(8_000, 8_000, ("--workers", "1")).cpu_ns for _ in range(ROUNDS)) / 2),
                    "from": "bench/scale/costs.py: 8000 flows of a datagram and its answer, 8000 a second"},
        "misses_ns": {"value": misses(), "from": ".build/scale/guise-scale --json"},
    }
    document = {"machine": describe(BINARIES / "guise"), "costs": costs, "checks": []}
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    loaded = Costs.load(FILE)
    document["checks"] = [
        check(case, 2, offload, medians(case, 2, offload, seconds), loaded) for case, offload in PREDICTED
    ] + [check(case, 1, offload, one, loaded) | {"fitted": True} for (case, offload), one in zip(FITTED, single)]
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document["costs"] | {"checks": document["checks"]}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=kinds.seconds, default=2, help="length of each measurement (default 2)")
    arguments = parser.parse_args()
    sys.exit(command.run("costs", lambda: main(arguments.seconds)))
