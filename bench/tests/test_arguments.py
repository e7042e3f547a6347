"""Which values options take."""

import argparse
import unittest
from collections.abc import Callable
from typing import Any

from harness import arguments


class ArgumentTests(unittest.TestCase):
    def refuses(self, kind: Callable[[str], Any], *texts: str) -> None:
        for text in texts:
            with self.subTest(text), self.assertRaises(argparse.ArgumentTypeError):
                kind(text)

    def test_counts_begin_at_one(self) -> None:
        self.assertEqual(arguments.count("7"), 7)
        self.refuses(arguments.count, "0", "-1", "1.5", "", "x", "²")
        self.assertEqual(arguments.counts("1,20"), [1, 20])
        self.refuses(arguments.counts, "1,,2", "abc")

    def test_lengths_are_long_enough_to_measure_something(self) -> None:
        self.assertEqual(arguments.seconds("0.5"), 0.5)
        self.refuses(arguments.seconds, "0", "0.1", "-3", "nan", "inf", "x")

    def test_engines_are_known_and_named_once(self) -> None:
        self.assertEqual(arguments.engines("epoll"), "epoll")
        self.refuses(arguments.engines, "", "uring", "epoll,epoll", "io_uring,")


if __name__ == "__main__":
    unittest.main()
