"""CPU time of processes and of the machine, and system calls, from proc(5) and perf."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .programs import BenchFailure

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class CPUTime:
    """Seconds of CPU up to a moment, or between two moments."""

    #: Of the gateways' processes, all threads.
    user: float
    system: float
    #: Of the whole machine: everything but idle, I/O wait and steal.
    busy: float
    #: Taken by the hypervisor for others: a sign that figures are worth little.
    steal: float

    def __sub__(self, earlier: "CPUTime") -> "CPUTime":
        return CPUTime(self.user - earlier.user, self.system - earlier.system,
                       self.busy - earlier.busy, self.steal - earlier.steal)


def _cpu_clock(pid: int) -> int:
    """Of all threads of a process, ended ones included: what clock_getcpuclockid(3) makes, which Python lacks
    (`PROCESS_CLOCK` and `CPUCLOCK_SCHED` of the kernel's posix-timers.h)."""
    return ~pid << 3 | 2


def cpu_time(pids: list[int]) -> CPUTime:
    """Reads the clocks now.

    The sum of `user` and `system` is exact to the nanosecond (the process's CPU clock, clock_getcpuclockid(3)); the
    shares of it, and `busy` and `steal`, to a tick, 10 ms as a rule (`utime` of proc_pid_stat(5), /proc/stat).
    """
    user = total = 0.0
    for pid in pids:
        # The name, in parentheses, may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user += int(fields[11]) / _TICKS
        total += time.clock_gettime(_cpu_clock(pid))
    machine = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    # user nice system idle iowait irq softirq steal; guest times are part of user.
    busy = sum(machine[index] for index in (0, 1, 2, 5, 6))
    return CPUTime(user, total - user, busy / _TICKS, machine[7] / _TICKS)


class SystemCallCount:
    """Counts the system calls of processes while it is entered (`perf stat`, tracepoint sys_enter).

    The tracepoint slows every system call down, so that nothing else is measured in such a run.
    """

    EVENT = "raw_syscalls:sys_enter"

    @classmethod
    def is_possible(cls) -> bool:
        """Whether perf is here and may use tracepoints."""
        if shutil.which("perf") is None:
            return False
        trial = subprocess.run(["perf", "stat", "-x,", "-e", cls.EVENT, "true"], capture_output=True, text=True)
        return trial.returncode == 0 and cls._parse(trial.stderr) is not None

    def __init__(self, pids: list[int], folder: Path):
        self.file = folder / "syscalls.csv"
        self.pids = ",".join(str(pid) for pid in pids)
        self.count: int | None = None

    def __enter__(self) -> "SystemCallCount":
        self.file.unlink(missing_ok=True)
        # It counts as long as its command runs, which is until its stdin is closed.
        self.perf = subprocess.Popen(
            ["perf", "stat", "-x,", "-e", self.EVENT, "-p", self.pids, "-o", str(self.file), "cat"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.perf.stdin is not None
        self.perf.stdin.close()
        try:
            self.perf.wait(5)
        except subprocess.TimeoutExpired:
            self.perf.kill()
            self.perf.wait()
        if self.file.exists():
            self.count = self._parse(self.file.read_text())

    @classmethod
    def _parse(cls, text: str) -> int | None:
        for line in text.splitlines():
            fields = line.split(",")
            if cls.EVENT in line and fields[0].isdigit():
                return int(fields[0])
        return None
