#!/usr/bin/env python3
"""Predicts what a gateway carries with 4 to 128 cores and 1 to 10^6 flows, from costs that were measured.

Writes docs/scaling/*.svg and prints the tables of docs/SCALING.md. The costs are in costs.json, each with the command
that gave it (costs.py). The model knows of no limit but the workers' own cores and the uneven spread of flows over them;
what else limits is in docs/SCALING.md.
"""

import argparse
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scale.spread import busiest_share

HERE = Path(__file__).resolve().parent
PLOTS = HERE.parents[1] / "docs" / "scaling"
CORES = (4, 8, 16, 32, 64, 128)
FLOWS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
PAYLOAD = 1_400
#: Datagrams that a flooded worker finds in a turn, where they come by themselves and where in trains (`turns` of the
#: floods with one worker in costs.json, which are of both ends).
TURN_DATAGRAMS = {True: 100, False: 700}
#: The share of packets that change workers; in steady state it is smaller (bench/scale/workers.py).
HANDOFF_SHARE = 0.001


@dataclass(frozen=True)
class Costs:
    """Nanoseconds of one core, kernel and gateway together, at one end."""

    #: For each train, whatever it holds: system call, route, connection tracking, translation, device.
    train: float
    #: For each datagram in it, whatever its length.
    datagram: float
    #: For each byte of it: copies.
    byte: float
    #: For each datagram that comes from UDP by itself: its receive.
    receive: float
    #: For each turn of a worker, whatever it brings: wake-up, system call, timers.
    turn: float
    #: For each flow that opens: handshake, tables, socket.
    flow: float
    #: For each packet that is passed to another worker: two cache lines change hands, and one wake-up.
    handoff: float
    #: What memory that is not in the cache adds to each datagram, by number of flows.
    misses: dict[int, float]

    @classmethod
    def load(cls, path: Path) -> "Costs":
        values = json.loads(path.read_text())["costs"]
        misses = {int(flows): float(ns) for flows, ns in values["misses_ns"]["value"].items()}
        names = ("train_ns", "datagram_ns", "byte_ns", "receive_ns", "turn_ns", "flow_ns", "handoff_ns")
        return cls(*(float(values[name]["value"]) for name in names), misses)

    def miss(self, flows: int) -> float:
        """That of the largest number measured that is not above `flows`; 0 below all of them."""
        known = [count for count in self.misses if count <= flows]
        return self.misses[max(known)] if known else 0.0


def per_datagram(costs: Costs, train: float, flows: int, by_itself: bool, lifetime: float = 0.0) -> float:
    """Nanoseconds of a core for a datagram, one way, at the end where it comes from UDP, which is the dearer one.

    `flows`: of this worker.
    `train`: datagrams in a train, on average. `by_itself`: whether the program sends without UDP_SEGMENT.
    `lifetime`: datagrams in a flow's life; 0 where flows last.
    """
    opening = costs.flow / lifetime if lifetime else 0.0
    return (costs.turn / TURN_DATAGRAMS[by_itself] + costs.train / train + costs.datagram + costs.byte * PAYLOAD
            + costs.receive * by_itself + costs.miss(flows) + costs.handoff * HANDOFF_SHARE + opening)


def shares_of_cost(turns: float, train: float, size: float, by_itself: bool) -> tuple[float, ...]:
    """How often each of turn, train, datagram, byte and receive is paid for a datagram, at both ends together.

    `turns`: of all workers at both ends, for each datagram.
    """
    return turns, 2 / train, 2.0, 2.0 * size, float(by_itself)


def cpu_of_both_ends(costs: Costs, turns: float, train: float, size: float, by_itself: bool) -> float:
    """Nanoseconds of both gateways for a datagram, few flows."""
    paid = (costs.turn, costs.train, costs.datagram, costs.byte, costs.receive)
    return sum(cost * share for cost, share in zip(paid, shares_of_cost(turns, train, size, by_itself)))


def carried(costs: Costs, workers: int, flows: int, train: float, by_itself: bool, share: float) -> float:
    """Datagrams a second of a gateway, one way, before its busiest worker is full.

    `share`: the load of the busiest worker as a multiple of an even one. A flow has one worker.
    """
    return 1e9 / per_datagram(costs, train, max(flows // workers, 1), by_itself) * workers / share


def gigabits(datagrams: float) -> float:
    return datagrams * PAYLOAD * 8 / 1e9


def shares(seed: int = 1, draws: int = 20) -> dict[tuple[int, int], float]:
    """The busiest worker's share for each number of workers and flows: the median of some keys."""
    generator = random.Random(seed)
    found = {}
    for workers in CORES:
        for flows in FLOWS:
            # A million flows spread evenly whatever the key, and take long to hash.
            count = min(flows, 20_000)
            drawn = sorted(busiest_share(count, workers, generator) for _ in range(draws if count < 20_000 else 1))
            found[workers, flows] = drawn[len(drawn) // 2] if flows == count else 1 + (
                drawn[len(drawn) // 2] - 1) * (count / flows) ** 0.5
    return found


def table(costs: Costs, spread: dict[tuple[int, int], float], train: float, by_itself: bool) -> str:
    lines = ["| cores | " + " | ".join(f"{flows:,} flows".replace(",", " ") for flows in FLOWS) + " |",
             "| --- |" + " --- |" * len(FLOWS)]
    for workers in CORES:
        cells = [gigabits(carried(costs, workers, flows, train, by_itself, spread[workers, flows]))
                 for flows in FLOWS]
        lines.append(f"| {workers} | " + " | ".join(f"{value:.1f}" for value in cells) + " |")
    return "\n".join(lines)


def draw(costs: Costs, spread: dict[tuple[int, int], float]) -> None:
    import matplotlib

    matplotlib.use("svg")
    # The same picture gives the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "guise", "font.size": 10})
    from matplotlib import pyplot

    PLOTS.mkdir(exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    for workers in CORES:
        axes.plot(FLOWS, [gigabits(carried(costs, workers, flows, 28, True, spread[workers, flows]))
                          for flows in FLOWS], marker="o", markersize=3, label=f"{workers} cores")
    axes.axhline(100, color="black", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="flows", ylabel="Gbit/s of 1400-byte datagrams, one way",
             title="Predicted: datagrams come one by one and leave in trains of 28")
    axes.legend(ncols=2)
    figure.savefig(PLOTS / "throughput.svg", metadata={"Date": None})
    pyplot.close(figure)

    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    for workers in CORES:
        axes.plot(FLOWS, [spread[workers, flows] for flows in FLOWS], marker="o", markersize=3, label=f"{workers} workers")
    axes.set(xscale="log", yscale="log", xlabel="flows", ylabel="busiest worker, in even shares",
             title="How the server's keyed hash spreads flows of equal rate")
    axes.legend(ncols=2)
    figure.savefig(PLOTS / "spread.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--costs", type=Path, default=HERE / "costs.json")
    options = parser.parse_args()
    costs = Costs.load(options.costs)
    spread = shares()
    for train, by_itself in ((1, True), (28, True), (40, False)):
        print(f"Trains of {train}, Gbit/s:\n\n{table(costs, spread, train, by_itself)}\n")
    draw(costs, spread)


if __name__ == "__main__":
    main()
