"""Tests of the benchmark's arithmetic and parsing: `python3 -m unittest discover -s bench`."""
