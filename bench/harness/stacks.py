"""Call stacks that perf sampled: read, named, made whole, counted."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .programs import BenchFailure

#: A stack from the outermost function to the innermost. Kernel functions end in `_[k]`, guise's own in `_[j]`:
#: marks by which the drawing tool colours them, and which it does not show.
Stack = tuple[str, ...]
KERNEL, OWN = "_[k]", "_[j]"

#: What every whole stack begins with.
_ROOTS = ("start_thread", "_start", "__libc_start_main", "__libc_start_call_main", "clone3", "__clone3", "ret_from_fork")
#: A function belongs to the callers of a broken stack when this share of a thread's whole stacks has it there.
_COMMON_SHARE = 0.5

_HEAD = re.compile(r"^(\S.*?)\s+(\d+)/(\d+)\s*$")
_FRAME = re.compile(r"^\s+[0-9a-f]+ (.+) \((.*)\)$")


@dataclass(frozen=True)
class Sample:
    """One sample: the thread that ran, and where it was."""

    pid: int
    thread: str
    stack: Stack


def read(recording: Path, program: str) -> list[Sample]:
    """Reads a perf.data file; `program` is the file name of the binary whose functions are marked as own."""
    text = _output(["perf", "script", "-i", str(recording), "-F", "pid,tid,comm,ip,sym,dso", "--no-inline"])
    samples = list(_whole(_parsed(text.splitlines(), program)))
    names = _demangled({frame.removesuffix(OWN) for sample in samples for frame in sample.stack
                        if frame.startswith(("$s", "$S"))})
    return [
        Sample(sample.pid, sample.thread, tuple(names.get(frame.removesuffix(OWN), frame) for frame in sample.stack))
        for sample in samples
    ]


def folded(samples: Iterable[Sample]) -> Counter[Stack]:
    """Counts equal stacks, each below the name of its thread. All workers are one: which of them a flow meets is
    a matter of its hash."""
    return Counter((re.sub(r"-\d+$", "-worker", sample.thread), *sample.stack) for sample in samples)


def as_lines(counts: Counter[Stack]) -> str:
    """One stack a line, functions joined by semicolons, then its count: what flame graph tools read."""
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(counts.items()))


def difference(before: Counter[Stack], after: Counter[Stack], scale: float) -> str:
    """One stack a line with its count before, multiplied by `scale`, and after."""
    return "".join(
        f"{';'.join(stack)} {round(before[stack] * scale)} {after[stack]}\n" for stack in sorted({*before, *after}))


def _parsed(lines: Iterable[str], program: str) -> Iterator[Sample]:
    """Reads `perf script`: a head line a sample, then a line a function, the innermost first."""
    head: re.Match[str] | None = None
    frames: list[str] = []
    for line in [*lines, ""]:
        if match := _HEAD.match(line):
            head, frames = match, []
        elif match := _FRAME.match(line):
            frames.append(_marked(match[1], match[2], program))
        elif head and frames:
            yield Sample(int(head[2]), head[1], tuple(reversed(frames)))
            head = None


def _marked(name: str, module: str, program: str) -> str:
    # Symbol versions (`@GLIBC_2.2.5`) and offsets say nothing; semicolons would part the name.
    name = name.split("@")[0].replace(";", ":")
    if "[kernel" in module or module.startswith("[") and module.endswith("]") and "unknown" not in module \
            and "vdso" not in module:
        return name + KERNEL
    return name + OWN if Path(module).name == program and name.startswith(("$s", "$S")) else name


def _whole(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Hangs stacks that lost their outer part under what the whole stacks of their thread have in common.

    liburing's archive is built without frame pointers, so that the walk ends in nonsense there: all that such a
    stack lacks is who called.
    """
    kept = [Sample(sample.pid, sample.thread, tuple(frame for frame in sample.stack if frame != "[unknown]"))
            for sample in samples]
    callers: dict[tuple[int, str], Stack] = {}
    for sample in kept:
        key = (sample.pid, sample.thread)
        if key not in callers:
            callers[key] = _common([other.stack for other in kept if (other.pid, other.thread) == key])
        if not sample.stack:
            yield Sample(*key, (*callers[key], "(unknown)"))
        elif _is_whole(sample.stack):
            yield sample
        else:
            yield Sample(*key, (*callers[key], *sample.stack))


def _common(stacks: list[Stack]) -> Stack:
    """The outer part, of guise's own functions, that most whole stacks share."""
    rest = [stack for stack in stacks if stack and _is_whole(stack)]
    enough = _COMMON_SHARE * len(rest)
    shared: list[str] = []
    while True:
        depth = len(shared)
        following = Counter(stack[depth] for stack in rest
                            if len(stack) > depth and (depth == 0 or stack[depth].endswith(OWN)))
        name, count = following.most_common(1)[0] if following else ("", 0)
        if not following or count < enough:
            return tuple(shared)
        shared.append(name)
        rest = [stack for stack in rest if len(stack) > depth and stack[depth] == name]


def _is_whole(stack: Stack) -> bool:
    return stack[0].split("_[")[0] in _ROOTS


def _demangled(names: set[str]) -> dict[str, str]:
    """Swift's names as they are written. Specialisations for an engine are called like the function itself, so
    that the same function has the same name in both engines' profiles."""
    ordered = sorted(names)
    if not ordered:
        return {}
    lines = _output(["swift", "demangle", "--simplified"], "\n".join(ordered) + "\n").splitlines()
    if len(lines) != len(ordered):
        raise BenchFailure("'swift demangle' does not answer line by line")
    return {mangled: plain(name) + OWN for mangled, name in zip(ordered, lines)}


def plain(name: str) -> str:
    """Leaves out what the optimiser added to a name."""
    name = re.sub(r"\b(generic |function signature |merged )*(partial )?specialized ", "", name)
    name = re.sub(r"^(merged |outlined |generic )+", "", name).replace("<>", "").replace(";", ":")
    return re.sub(r"^partial apply for ", "", name)


def _output(command: list[str], stdin: str | None = None) -> str:
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        raise BenchFailure(f"'{command[0]} {command[1]}' failed: {result.stderr.strip()[-400:]}")
    return result.stdout
