"""How much a mapping may do with one payload: in steps, which are the same wherever it is tried."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

MOST_WORK: Final = 200_000
"""Steps of all expressions on one payload, whatever its size; one to a byte come to it (`work_for`).

10 000 readings of three values, 1.4 MiB, take 150 000; of the shipped mappings none takes one to a byte and more than a
thousand. So what looks through a payload once has several times of what it needs, and what does so for each record has
not.
"""
MOST_MEMBERS: Final = 1_000_000
"""Members of a list that is made of lists, and characters of a text that is made of texts."""


class TooMuchError(Exception):
    """What a payload would have a mapping do is beyond MOST_WORK, or what it would make beyond MOST_MEMBERS."""


_LEFT: Final[ContextVar[list[int] | None]] = ContextVar("left", default=None)


def work_for(body: bytes) -> int:
    """How many steps a payload may take."""
    return MOST_WORK + len(body)


@contextlib.contextmanager
def bounded_work(most: int) -> Iterator[list[int]]:
    """All expressions in the block together do no more than so many steps: then TooMuchError is raised.

    Yields what is left of them: below 0 where there were too many.
    """
    left = [most]
    token = _LEFT.set(left)
    try:
        yield left
    finally:
        _LEFT.reset(token)


def spend(steps: int) -> None:
    """Count what is done beside expressions. Raises TooMuchError."""
    left = _LEFT.get()
    if left is not None:
        take_steps(left, steps)


def take_steps(left: list[int], steps: int) -> None:
    """Count steps. Raises TooMuchError."""
    left[0] -= steps
    if left[0] < 0:
        raise TooMuchError("the mapping takes too long on it: fewer expressions that look through all of the payload")


def work_left() -> list[int]:
    """The steps that are left, to be taken from; an expression outside of a block has its own."""
    left = _LEFT.get()
    return [MOST_WORK] if left is None else left
