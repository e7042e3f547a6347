"""What the programs of this folder have in common: signals, messages, exit codes, and what they need."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from .programs import BenchFailure


def run(name: str, work: Callable[[], None], if_interrupted: str = "") -> int:
    """Does the work and returns the exit code: 0, 1 with one line that says what failed, 130 when interrupted.

    SIGTERM and SIGHUP interrupt like SIGINT, so that namespaces are removed whatever comes.
    """
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGHUP, _interrupted)
    try:
        work()
        return 0
    except BenchFailure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted{if_interrupted}", file=sys.stderr)
        return 130


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def need_root(remedy: str) -> None:
    if os.geteuid() != 0:
        raise BenchFailure(f"needs root, for network namespaces and TUN devices: {remedy}")


def need_programs(*programs: Path | None) -> None:
    """Those that are named must be there."""
    for program in filter(None, programs):
        if not os.access(program, os.X_OK):
            raise BenchFailure(f"there is no {program}: run 'make build' first")
