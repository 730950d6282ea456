"""How much a mapping may do with one payload: in steps, which are the same wherever it is tried."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

MOST_WORK: Final = 20_000_000
"""Steps of all expressions on one payload; 200 000 records of ten values take half of it."""
MOST_MEMBERS: Final = 1_000_000
"""Members of a list that is made of lists, and characters of a text that is made of texts."""


class TooMuchError(Exception):
    """What a payload would have a mapping do is beyond MOST_WORK, or what it would make beyond MOST_MEMBERS."""


_LEFT: Final[ContextVar[list[int] | None]] = ContextVar("left", default=None)


@contextlib.contextmanager
def bounded_work(most: int) -> Iterator[None]:
    """All expressions in the block together do no more than so many steps: then TooMuchError is raised."""
    token = _LEFT.set([most])
    try:
        yield
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
