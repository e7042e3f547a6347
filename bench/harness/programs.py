"""Programs that the benchmark runs, each in its own process group and with its output in files."""

import os
import signal
import subprocess
import time
from pathlib import Path


class BenchFailure(Exception):
    """Something without which a figure would be wrong: one line that says what, and what to do."""


class Program:
    """A running program. Its stdout and stderr are files, so that no pipe ever fills."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str] | None = None):
        self.name = name
        self.out = folder / f"{name}.out"
        self.log = folder / f"{name}.log"
        with open(self.out, "wb") as out, open(self.log, "wb") as log:
            # A group of its own: an interrupt at the terminal reaches the benchmark alone, which then
            # ends its programs in order.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, process_group=0,
                env=None if environment is None else os.environ | environment)

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self) -> bool:
        return self.process.poll() is not None

    def finish(self, seconds: float) -> int:
        """Waits for the end and returns the exit code; raises when it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchFailure(f"{self.name} did not end within {seconds:.0f} s{self.tail()}") from None

    def stop(self, number: int = signal.SIGTERM, seconds: float = 12) -> int:
        """Ends the program with a signal, by force when it takes longer; returns the exit code."""
        if not self.ended():
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def says(self, text: str, seconds: float) -> None:
        """Waits until the log contains `text`; raises when the program ends before or it takes longer."""
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text(errors="replace"):
            if self.ended():
                raise BenchFailure(f"{self.name} ended with {self.process.returncode}{self.tail()}")
            if time.monotonic() > deadline:
                raise BenchFailure(f"{self.name} never said '{text.strip()}'{self.tail()}")
            time.sleep(0.01)

    def tail(self, lines: int = 8) -> str:
        """The end of its log, for a message."""
        text = self.log.read_text(errors="replace").rstrip().splitlines()[-lines:]
        return "".join(f"\n    {line}" for line in text)


def run(command: list[str], stdin: str | None = None, seconds: float = 20) -> str:
    """Runs a short command and returns its stdout; raises with its stderr when it fails."""
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds)
    if result.returncode != 0:
        raise BenchFailure(f"'{' '.join(command)}' failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout
