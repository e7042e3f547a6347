"""What must be known of a machine to judge figures from it."""

import hashlib
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from .meters import cpu_time

_ROOT = Path(__file__).resolve().parents[2]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=_ROOT).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def source() -> str:
    """The commit, marked when the tree differs from it in more than results."""
    commit = _output("git", "rev-parse", "--short=10", "HEAD") or "unknown"
    differs = _output("git", "status", "--porcelain", "--untracked-files=no", ":/", ":(exclude,top)bench/results")
    return commit + ("-modified" if differs else "")


def _busy(seconds: float) -> float:
    """How busy all CPUs are, in percent, before anything is measured."""
    before = cpu_time([])
    time.sleep(seconds)
    spent = cpu_time([]) - before
    return 100 * (spent.busy + spent.steal) / seconds / (os.cpu_count() or 1)


def identity(program: Path) -> dict[str, str]:
    """Which build a program is: what it says of itself, and the first digits of its SHA-256."""
    return {
        "version": _output(str(program.resolve()), "--version"),
        "sha256": hashlib.sha256(program.read_bytes()).hexdigest()[:16],
    }


def describe(guise: Path) -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", cpu)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    swift = re.search(r"Swift version \S+", _output("swift", "--version"))
    return {
        "source": source(),
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "virtual": " hypervisor" in cpu,
        "memoryGB": round(int(memory[1]) / 1e6, 1) if memory else None,
        "distribution": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "guise": _output(str(guise), "--version"),
        "swift": swift[0] if swift else "",
        "liburing": _output("pkg-config", "--modversion", "liburing"),
        "python": platform.python_version(),
        "busyBefore": round(_busy(0.5), 1),
    }
