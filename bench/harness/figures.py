"""The figures of a measurement: what each is called, its unit, and which way is better."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A figure that is summarised over rounds."""

    key: str
    title: str
    #: Unit after `scale` is applied.
    unit: str
    #: What the raw value is multiplied by to be shown.
    scale: float = 1
    #: +1: more is better, -1: less is better, 0: neither, so that no ratios are made.
    better: int = 0


METRICS: tuple[Metric, ...] = (
    Metric("goodput", "goodput", "Gbit/s", 1e-9, +1),
    Metric("packets", "datagrams", "k/s", 1e-3, +1),
    Metric("loss", "loss", "%"),
    Metric("microsPerDatagram", "gateway CPU", "us/datagram", 1, -1),
    Metric("gatewayPerGB", "gateway CPU", "s/GB", 1, -1),
    Metric("userPerGB", "user CPU", "s/GB", 1, -1),
    Metric("systemPerGB", "system CPU", "s/GB", 1, -1),
    Metric("machinePerGB", "machine CPU", "s/GB", 1, -1),
    Metric("systemCalls", "system calls", "per datagram", 1, -1),
    Metric("p50", "p50", "us", 1, -1),
    Metric("p99", "p99", "us", 1, -1),
    Metric("p999", "p99.9", "us", 1, -1),
    Metric("clientTrain", "client's train", "segments"),
    Metric("serverTrain", "server's train", "segments"),
    Metric("reordered", "reordered", "datagrams"),
    Metric("duplicated", "duplicated", "datagrams"),
    Metric("loadLoss", "loss of the load", "%"),
    Metric("senderLimited", "the sender made no more", "1 or 0"),
    Metric("steal", "steal", "s"),
)

BY_KEY = {metric.key: metric for metric in METRICS}

#: Where a datagram can be lost on its way, in the order of the way.
PLACES = {
    "clientSocket": "before the client",
    "client": "in the client",
    "link": "between the gateways",
    "server": "in the server",
    "service": "behind the server",
}


def scalars(figures: dict[str, Any]) -> dict[str, float]:
    """The numbers of a measurement that are summarised, by key; losses by place as `lostAt.<place>`."""
    flat = {metric.key: figures[metric.key] for metric in METRICS if figures.get(metric.key) is not None}
    # An end that sent nothing but acknowledgements has no trains.
    flat = {key: value for key, value in flat.items() if value or not key.endswith("Train")}
    flat |= {f"lostAt.{place}": share for place, share in figures.get("lostAt", {}).items()}
    if "cpu" in figures:
        flat["steal"] = figures["cpu"]["steal"]
    return flat


def number(value: float) -> str:
    """Three significant digits, no exponent: 0.0123, 1.23, 123, 12 345."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}".replace(",", " ")
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.9995:
        return f"{value:.2f}"
    return f"{value:.3f}"


def shown(key: str, value: float) -> str:
    """A value of a metric in its unit, without the unit."""
    return number(value * BY_KEY[key].scale)
