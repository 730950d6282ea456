"""Whose turn it is of the meters at a port, of whose memory something is due: no one's long read starves another's."""

from collections.abc import Collection, Sequence
from typing import Final

SLICES_BEFORE_LOG: Final = 4
"""So many slices of history in a row, then an event log that is due."""


class Turns:
    """Of addresses on one line: each time the next one after that of last time."""

    def __init__(self) -> None:
        self._last = ""

    def next_of(self, all_of_them: Sequence[str], due: Collection[str]) -> str:
        """The address of which something is due (one is) that comes next, in the order of all; remembered."""
        start = all_of_them.index(self._last) + 1 if self._last in all_of_them else 0
        self._last = next(one for one in (*all_of_them[start:], *all_of_them) if one in due)
        return self._last
