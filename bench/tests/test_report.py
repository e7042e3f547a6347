"""What a report tells, and what not."""

import unittest
from pathlib import Path

from harness import report
from harness.journal import Journal


class ReportTests(unittest.TestCase):
    def test_a_report_does_not_tell_where_programs_lie(self) -> None:
        options = {"rounds": 5, "guise": "/somewhere/guise", "guise_b": None, "load": "/somewhere/guise-load"}
        journal = Journal(Path("unused"), {"run": "now", "options": options}, [])
        self.assertEqual(report.described(journal), {"format": 1, "run": "now", "options": {"rounds": 5}})
        self.assertIn("load", journal.header["options"])


if __name__ == "__main__":
    unittest.main()
