"""One measurement: a case, a contender, and the figures that come of them."""

import time
from typing import Any

from .cable import Cable
from .cases import Case, bits_per_second
from .contenders import Contender, Passage
from .meters import SystemCallCount, cpu_time
from .programs import BenchFailure
from .traffic import OPENING_COUNT, Traffic

Figures = dict[str, Any]

#: A search moves over rates that are apart by this factor, which is its resolution.
SEARCH_STEP = 1.06
#: Loss in percent that a search tolerates.
SEARCH_LOSS_MAX = 1.0
#: Share of the wanted rate that the sender must have sent for a probe, or a measurement, to count.
_SENT_SHARE_MIN = 0.95
#: Of the time that is measured, for how much of it datagrams must arrive.
_DURATION_SHARE_MIN = 0.8
#: What of a load beside a ping may be lost, in percent, for the ping to count as one beside that load.
_LOAD_LOSS_MAX = 5


def measure(case: Case, contender: Contender, traffic: Traffic, seconds: float, hint: float = 0) -> Figures:
    """Measures once and returns figures by name.

    goodput is in bit/s of payload, packets in datagrams/s, loss in percent, latencies in microseconds, CPU
    times in seconds. `hint` is a rate near which a search begins; 0: none.
    """
    with contender.passage(traffic.cable) as passage:
        before = cpu_time(passage.pids)
        match case.kind:
            case "flood" | "paced" if case.echo:
                figures = _both_ways(case, passage, traffic, seconds)
                check_rate(case.rate, figures["sentRate"])
            case "flood" | "paced":
                figures = _one_way(case, passage, traffic, case.rate, seconds)
                check_rate(case.rate, figures["sentRate"])
            case "max":
                figures = _search(case, passage, traffic, seconds, hint)
            case "ping":
                figures = _round_trips(case, passage, traffic, seconds)
            case _:
                raise ValueError(case.kind)
        if "cpu" not in figures:
            figures["cpu"] = vars(cpu_time(passage.pids) - before)
    if passage.tables:
        client, server = passage.tables
        figures["counters"] = {"client": client.as_dict(), "server": server.as_dict()}
        for end, table in (("client", client), ("server", server)):
            if table["TUN writes"]:
                figures[f"{end}Train"] = round(table["segments out"] / table["TUN writes"], 2)
        if case.kind in ("flood", "paced") and not case.echo:
            figures["lostAt"] = _losses(case, figures, passage)
    _derive(figures, has_gateways=bool(passage.pids))
    for kind, text in (("corrupt", "damaged"), ("duplicated", "twice")):
        if figures.get(kind):
            raise BenchFailure(f"{figures[kind]} datagrams came {text}")
    return figures


def count_system_calls(case: Case, contender: Contender, traffic: Traffic, seconds: float) -> float | None:
    """System calls of both gateways per datagram delivered, in a run that serves nothing else."""
    with contender.passage(traffic.cable) as passage:
        with SystemCallCount(passage.pids, traffic.cable.folder) as count:
            time.sleep(0.3)
            datagrams = delivered(case, passage, traffic, seconds)
    return None if count.count is None or not datagrams else count.count / datagrams


def delivered(case: Case, passage: Passage, traffic: Traffic, seconds: float) -> int:
    """Loads a passage as a case says; returns how many datagrams were delivered, both ways counted."""
    if case.kind == "ping":
        return _round_trips(case, passage, traffic, seconds)["delivered"]
    if case.echo:
        return _both_ways(case, passage, traffic, seconds)["delivered"]
    return _one_way(case, passage, traffic, case.rate, seconds)["received"]


def _one_way(case: Case, passage: Passage, traffic: Traffic, rate: str, seconds: float) -> Figures:
    sent, arrived = traffic.one_way(case, passage.target, rate, seconds)
    _check_duration(arrived, seconds)
    return _arrival(arrived) | {
        "sent": sent["sent"],
        "sentRate": sent["bitsPerSecond"],
        "serviceDrops": arrived["socketDrops"],
        "bytes": arrived["bytes"],
    }


def _both_ways(case: Case, passage: Passage, traffic: Traffic, seconds: float) -> Figures:
    sent, echo = traffic.both_ways(case, passage.target, case.rate, seconds)
    back = sent["echo"]
    _check_duration(back, seconds)
    return _arrival(back) | {
        "sent": sent["sent"],
        "sentRate": sent["bitsPerSecond"],
        "serviceDrops": echo["socketDrops"] + back["socketDrops"],
        "bytes": echo["receivedBytes"] + back["bytes"],
        "delivered": echo["received"] + back["received"],
    }


def check_rate(wanted: str, sent: float) -> None:
    """Raises where the sender made less than a case is named for: nothing that was measured is of that rate."""
    rate = bits_per_second(wanted)
    if rate is not None and sent < _SENT_SHARE_MIN * rate:
        raise BenchFailure(f"the sender made {sent / 1e6:.0f} Mbit/s of {rate / 1e6:.0f}: the machine is too busy for this case")


def _check_duration(report: Figures, seconds: float) -> None:
    """Raises where nothing arrived, or only for a part of the time: goodput is by that part."""
    if not report["received"]:
        raise BenchFailure("nothing arrived")
    if report["durationSeconds"] < _DURATION_SHARE_MIN * seconds:
        raise BenchFailure(f"datagrams arrived for {report['durationSeconds']:.2f} of {seconds:g} s")


def _arrival(report: Figures) -> Figures:
    latency = report["latencyMicroseconds"]
    return {
        "received": report["received"],
        "goodput": report["bitsPerSecond"],
        "packets": report["datagramsPerSecond"],
        "loss": report["lossPercent"],
        "reordered": report["reordered"],
        "duplicated": report["duplicated"],
        "corrupt": report["corrupt"],
        "p50": latency["p50"],
        "p99": latency["p99"],
        "p999": latency["p999"],
    }


def _round_trips(case: Case, passage: Passage, traffic: Traffic, seconds: float) -> Figures:
    report, load = traffic.round_trips(case, passage.target, seconds)
    # Those that came late are among the lost.
    if report["unexpected"] > report["lost"]:
        raise BenchFailure(f"{report['unexpected'] - report['lost']} answers came damaged, doubled or unasked")
    if not report["received"]:
        raise BenchFailure("no answer came")
    latency = report["latencyMicroseconds"]
    figures = {
        "received": report["received"],
        "loss": report["lossPercent"],
        "p50": latency["p50"],
        "p99": latency["p99"],
        "p999": latency["p999"],
        "bytes": 2 * int(case.size) * report["received"],
        "delivered": 2 * report["received"],
    }
    if load is not None:
        check_rate(case.load, load["bitsPerSecond"])
        figures["loadLoss"] = load["echo"]["lossPercent"]
        if figures["loadLoss"] > _LOAD_LOSS_MAX:
            raise BenchFailure(f"{figures['loadLoss']:.1f} % of the load beside the ping were lost")
        figures["bytes"] += load["bytes"] + load["echo"]["bytes"]
        figures["delivered"] += load["sent"] + load["echo"]["received"]
    return figures


def _search(case: Case, passage: Passage, traffic: Traffic, seconds: float, hint: float) -> Figures:
    """Finds the highest rate of a geometric row at which loss is within bounds.

    From a guess it strides until one probe is good and one is not, and then halves the stride. Probes are
    `seconds` long. What is reported is what the best probe delivered.
    """
    probes: list[Figures] = []

    def probe(rung: int) -> bool:
        rate = guess * SEARCH_STEP**rung
        before = cpu_time(passage.pids)
        figures = _one_way(case, passage, traffic, f"{rate:.0f}", seconds)
        figures["cpu"] = vars(cpu_time(passage.pids) - before)
        figures["senderLimited"] = int(figures["sentRate"] < _SENT_SHARE_MIN * rate)
        good = figures["loss"] <= SEARCH_LOSS_MAX and not figures["senderLimited"]
        probes.append(figures | {"rate": rate, "good": good, "rung": rung})
        return good

    if not hint:
        # What arrives of a short flood is the right order of magnitude.
        hint = _one_way(case, passage, traffic, "max", min(seconds, 1))["goodput"]
    guess = max(hint, 1e6)
    stride = 4
    step = stride if probe(0) else -stride
    rung = step
    while -16 * stride < rung < 16 * stride and probe(rung) == (step > 0):
        rung += step
    good, bad = (rung - step, rung) if step > 0 else (rung, rung - step)
    while bad - good > 1:
        middle = (good + bad) // 2
        if probe(middle):
            good = middle
        else:
            bad = middle
    passing = [entry for entry in probes if entry["good"]]
    if not passing:
        raise BenchFailure(f"even {probes[-1]['rate'] / 1e6:.1f} Mbit/s lose more than {SEARCH_LOSS_MAX} %")
    best = max(passing, key=lambda entry: entry["rung"])
    # What kept it from going higher: loss, or a sender that made no more and lost nothing of it.
    above = min((entry for entry in probes if not entry["good"]), key=lambda entry: entry["rung"], default=None)
    best["senderLimited"] = int(above is not None and above["loss"] <= SEARCH_LOSS_MAX)
    tried = [[round(entry["rate"]), entry["loss"], entry["good"]] for entry in probes]
    return {key: value for key, value in best.items() if key not in ("good", "rung")} | {"probes": tried}


def _losses(case: Case, figures: Figures, passage: Passage) -> dict[str, float]:
    """Where datagrams were lost on their way, in percent of those sent: the difference of neighbours' counts."""
    assert passage.tables is not None
    client, server = passage.tables
    openings = OPENING_COUNT * case.flows
    lost = {
        "clientSocket": figures["sent"] + openings - client["datagrams in"],
        "client": client.datagram_drops,
        "link": client["segments out"] - server.data_segments_in,
        "server": server.segment_drops,
        "service": server["datagrams out"] - openings - figures["received"],
    }
    for place, count in lost.items():
        if count < -figures["sent"] / 100:
            raise BenchFailure(f"more came out than went in at '{place}': {-count} datagrams")
    return {place: round(100 * max(0, count) / figures["sent"], 3) for place, count in lost.items()}


def _derive(figures: Figures, has_gateways: bool) -> None:
    """Adds figures that follow from others: CPU seconds per 10^9 bytes delivered, and the gateways'
    microseconds per datagram."""
    cpu, gigabytes = figures["cpu"], figures["bytes"] / 1e9
    if gigabytes <= 0:
        return
    if has_gateways:
        figures["userPerGB"] = cpu["user"] / gigabytes
        figures["systemPerGB"] = cpu["system"] / gigabytes
        figures["gatewayPerGB"] = figures["userPerGB"] + figures["systemPerGB"]
        datagrams = figures.get("delivered", figures["received"])
        figures["microsPerDatagram"] = 1e6 * (cpu["user"] + cpu["system"]) / datagrams
    figures["machinePerGB"] = cpu["busy"] / gigabytes
    figures["machineBusy"] = cpu["busy"]
