"""Kinds of values that the programs' options take, refused where they make no sense before anything is measured."""

import argparse

_ENGINES = ("io_uring", "epoll")


def count(text: str) -> int:
    """1 and more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of 1 and more")
    return int(text)


def seconds(text: str) -> float:
    """From a fifth of a second, below which little is measured, to a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.2 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"'{text}' is no length of 0.2 s and more")
    return value


def counts(text: str) -> list[int]:
    """Several, with commas between them."""
    return [count(part) for part in text.split(",")]


def engines(text: str) -> str:
    """Of io_uring and epoll one or both, each once."""
    names = text.split(",")
    if unknown := [name for name in names if name not in _ENGINES]:
        raise argparse.ArgumentTypeError(f"there are {' and '.join(_ENGINES)}, not '{unknown[0]}'")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"'{text}' names one twice")
    return text
