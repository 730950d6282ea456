"""What was said of late, so that it is not said again."""

from typing import Final

MOST: Final = 100_000
"""Some 8 MiB."""


class Recently:
    """Remembers the numbers that it was told last: as many as MOST, and at most twice that."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, number: int) -> bool:
        """Note one; whether it is new."""
        if number in self._young:
            return False
        known = number in self._old
        if len(self._young) >= self._most:
            self._old, self._young = self._young, set()
        self._young.add(number)
        return not known

    def clear(self) -> None:
        """Forget all."""
        self._young.clear()
        self._old.clear()
