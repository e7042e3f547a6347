"""What is read back of a run."""

import tempfile
import unittest
from pathlib import Path

from harness.journal import Journal
from harness.programs import BenchFailure


class JournalTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "run.jsonl"

    def load(self, text: str) -> Journal:
        self.file.write_text(text)
        return Journal.load(self.file)

    def test_a_last_line_that_was_cut_off_is_removed(self) -> None:
        journal = self.load('{"run": "now"}\n{"round": 1}\n{"rou')
        self.assertEqual(journal.records, [{"round": 1}])
        self.assertEqual(self.file.read_text(), '{"run": "now"}\n{"round": 1}\n')
        journal.append({"round": 2})
        self.assertEqual(Journal.load(self.file).records, [{"round": 1}, {"round": 2}])

    def test_damage_elsewhere_is_told_and_nothing_is_lost_for_it(self) -> None:
        text = '{"run": "now"}\n{"rou\n{"round": 2}\n'
        with self.assertRaisesRegex(BenchFailure, "line 2 "):
            self.load(text)
        self.assertEqual(self.file.read_text(), text)

    def test_an_empty_one_is_no_run(self) -> None:
        with self.assertRaisesRegex(BenchFailure, "empty"):
            self.load("")


if __name__ == "__main__":
    unittest.main()
