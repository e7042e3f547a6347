#!/usr/bin/env python3
"""Measures what a datagram, a train and a flow cost a gateway, and writes costs.json for model.py.

Runs one-way floods through gateways with one worker each and divides the CPU time of both gateways by what they
carried, so that the time of sender and receiver, on the same cores, does not count. Three cases determine three
costs; others, with one worker and with two, are predicted from these, and the errors are written down. Needs root, a built
guise, and guise-scale (bench/scale/build.sh .build/scale).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import command
from harness.cable import Cable
from harness.cases import Case
from harness.contenders import Guise
from harness.machine import describe
from harness.meters import cpu_time
from harness.traffic import Traffic
from scale.model import Costs, cpu_of_both_ends
from scale.opening import measure

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / ".build" / "release"
SCALE = ROOT / ".build" / "scale" / "guise-scale"
FILE = Path(__file__).resolve().parent / "costs.json"

PLAIN = Case("1400 bytes, 5 flows", "flood", "", flows=5)
TRAINS = Case("40 x 1400 bytes, 5 flows", "flood", "", flows=5, gso=40)
ROUNDS = 3


def run(case: Case, workers: int, offload: bool, seconds: float) -> dict[str, float]:
    """CPU nanoseconds of both gateways for each datagram delivered, and datagrams in a train."""
    guise = Guise("guise", BINARIES / "guise", "io_uring", offload, ("--workers", str(workers)))
    with tempfile.TemporaryDirectory(prefix="guise-bench-") as folder, Cable(Path(folder)) as cable:
        with guise.passage(cable) as passage:
            before = cpu_time(passage.pids)
            _, arrived = Traffic(cable, BINARIES / "guise-load").one_way(case, passage.target, "max", seconds)
            spent = cpu_time(passage.pids) - before
        assert passage.tables is not None
        client = passage.tables[0]
        return {"ns": (spent.user + spent.system) * 1e9 / arrived["received"],
                "train": client["segments out"] / (client["TUN writes"] - client["control segments out"]),
                "gigabits": arrived["bitsPerSecond"] / 1e9}


def medians(case: Case, workers: int, offload: bool, seconds: float) -> dict[str, float]:
    rounds = [run(case, workers, offload, seconds) for _ in range(ROUNDS)]
    return {key: median(one[key] for one in rounds) for key in rounds[0]}


def misses() -> dict[str, float]:
    """What a packet costs a worker more than with 1000 flows, by number of flows."""
    output = subprocess.run([str(SCALE), "--json"], capture_output=True, text=True).stdout
    rows = {row["flows"]: (row["segment_ns"] + row["datagram_ns"]) / 2 for row in json.loads(output)}
    return {str(flows): round(max(ns - rows[1_000], 0.0), 1) for flows, ns in rows.items()}


def main(seconds: float) -> None:
    command.need_root("run it with sudo")
    command.need_programs(BINARIES / "guise", BINARIES / "guise-load", SCALE)
    single = medians(PLAIN, 1, False, seconds)
    trains = medians(TRAINS, 1, True, seconds)
    plain = medians(PLAIN, 1, True, seconds)
    # Both ends: 2 x (train / length + datagram), and a receive for each datagram that came by itself.
    # Without offload every datagram is received and written by itself, at either end.
    train_ns = (single["ns"] - plain["ns"]) / 2 / (1 / single["train"] - 1 / plain["train"])
    datagram_ns = trains["ns"] / 2 - train_ns / trains["train"]
    receive_ns = plain["ns"] - 2 * (train_ns / plain["train"] + datagram_ns)
    how = "bench/scale/costs.py"
    costs = {
        "train_ns": {"value": round(train_ns), "from": f"{how}: '{PLAIN.name}' with and without --offload off"},
        "datagram_ns": {"value": round(datagram_ns), "from": f"{how}: '{TRAINS.name}'"},
        "receive_ns": {"value": round(receive_ns), "from": f"{how}: '{PLAIN.name}', what the two others leave"},
        "flow_ns": {"value": round(median(measure(8_000, 8_000, ("--workers", "1")).cpu_ns for _ in range(ROUNDS)) / 2),
                    "from": f"{how}: 8000 flows of a datagram and its answer, 8000 a second"},
        "misses_ns": {"value": misses(), "from": ".build/scale/guise-scale --json"},
    }
    document = {"machine": describe(BINARIES / "guise"), "costs": costs, "checks": []}
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    loaded = Costs.load(FILE)
    for case, workers, offload in ((PLAIN, 2, True), (TRAINS, 2, True), (PLAIN, 2, False),
                                   (Case("200 bytes, 5 flows", "flood", "", size="200", flows=5), 1, True)):
        measured = medians(case, workers, offload, seconds)
        predicted = cpu_of_both_ends(loaded, measured["train"], by_itself=case.gso == 1)
        document["checks"].append({
            "case": case.name + ("" if offload else ", offload off"), "workers": workers,
            "train": round(measured["train"], 1), "measured_ns": round(measured["ns"]), "predicted_ns": round(predicted),
            "error_percent": round(100 * (predicted - measured["ns"]) / measured["ns"]),
            "gigabits": round(measured["gigabits"], 2)})
    for name, fitted in ((f"{PLAIN.name}, offload off", single), (TRAINS.name, trains), (PLAIN.name, plain)):
        document["checks"].append({"case": name, "workers": 1, "train": round(fitted["train"], 1),
                                   "measured_ns": round(fitted["ns"]), "gigabits": round(fitted["gigabits"], 2),
                                   "fitted": True})
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document["costs"] | {"checks": document["checks"]}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2, help="length of each measurement (default 2)")
    arguments = parser.parse_args()
    sys.exit(command.run("costs", lambda: main(arguments.seconds)))
