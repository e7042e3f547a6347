"""Draws a soak: memory, descriptors, sockets and latency over its time."""

from pathlib import Path

from harness import plots
from soak.samples import Sample

_COLOURS = ("#2f81f7", "#e8762c")


def draw(runs: dict[str, list[Sample]], file: Path) -> None:
    """One line for each engine and end."""
    if plots.matplotlib is None:
        raise plots.NoPlots("this Python has no matplotlib: install Debian's python3-matplotlib")
    plots.matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "guise", "font.size": 8.5})
    figure = plots.Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    for (engine, samples), colour in zip(runs.items(), _COLOURS):
        minutes = [sample.seconds / 60 for sample in samples]
        for end, style in (("client", "-"), ("server", "--")):
            label = f"{engine}, {end}"
            memory = [getattr(sample, f"{end}_bytes") / 2**20 for sample in samples]
            open_files = [getattr(sample, f"{end}_descriptors") for sample in samples]
            axes[0].plot(minutes, memory, style, color=colour, label=label)
            axes[1].plot(minutes, open_files, style, color=colour, label=label)
        axes[2].plot(minutes, [sample.sockets for sample in samples], color=colour, label=engine)
        axes[3].plot(minutes, [sample.p50 for sample in samples], ":", color=colour, label=f"{engine}, p50")
        axes[3].plot(minutes, [sample.p99 for sample in samples], color=colour, label=f"{engine}, p99")
    for axis, title in zip(axes, ("resident memory, MiB", "descriptors", "UDP sockets in the server's namespace",
                                  "round trip of the probe, µs")):
        axis.set_title(title, loc="left", fontsize=9)
        axis.set_ylim(bottom=0)
        axis.grid(True, color=plots.RULE, linewidth=0.5)
        axis.legend(loc="lower right", ncols=2, frameon=False)
    axes[3].set_xlabel("minutes")
    figure.savefig(file, metadata={"Date": None})
