"""The raw results of a run: one JSON object a line, appended as it is measured, so that a run can be resumed."""

import json
from pathlib import Path
from typing import Any

from .programs import BenchFailure

#: Options that are programs, by where they lie on this machine: of use to who resumes a run, not to who reads its report.
PROGRAMS = ("guise", "guise_b", "load")


class Journal:
    """The first line is the run's header, every other one a measurement."""

    def __init__(self, file: Path, header: dict[str, Any], records: list[dict[str, Any]]):
        self.file = file
        self.header = header
        self.records = records

    @classmethod
    def create(cls, folder: Path, header: dict[str, Any]) -> "Journal":
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{header['run']}.jsonl"
        file.write_text(json.dumps(header) + "\n")
        return cls(file, header, [])

    @classmethod
    def load(cls, file: Path) -> "Journal":
        """Reads a run back. A last line that was cut off by a crash is ignored, and removed; any other that cannot be read
        is damage that nobody should go on from."""
        text = file.read_text()
        lines = []
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                if line.endswith("\n"):
                    raise BenchFailure(f"line {number} of {file} is damaged: remove it, and the report will be of the rest") from None
        if not lines:
            raise BenchFailure(f"{file} is empty: nothing was measured")
        if not text.endswith("\n"):
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return cls(file, lines[0], lines[1:])

    @classmethod
    def latest(cls, folder: Path) -> Path | None:
        """The run that began last: names begin with the time."""
        return max(folder.glob("*.jsonl"), default=None)

    def append(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        with open(self.file, "a") as file:
            file.write(json.dumps(record) + "\n")

    def group(self, turn: int, case: str) -> dict[str, dict[str, Any]]:
        """What one round measured of a case, by contender; the last measurement counts."""
        return {
            record["contender"]: record
            for record in self.records if record["round"] == turn and record["case"] == case
        }
