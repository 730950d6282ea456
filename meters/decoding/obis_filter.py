"""Which OBIS codes are wanted, as the parameters obis_include and obis_exclude say it. Pure functions."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache


class ObisFilter:
    """Wanted OBIS codes by patterns, in which `*` stands for any run of characters."""

    def __init__(self, include: Iterable[str], exclude: Iterable[str]) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._all = "*" in self._include and not self._exclude

    def select(self, values: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """The wanted values."""
        if self._all:
            return dict(values)
        return {code: value for code, value in values.items() if self.wants(code)}

    def wants(self, code: str) -> bool:
        """Whether one code is included and not excluded."""
        return any(matches(p, code) for p in self._include) and not any(matches(p, code) for p in self._exclude)


@lru_cache(maxsize=4096)
def matches(pattern: str, code: str) -> bool:
    """Whether a code fits a pattern; time grows with their lengths' product at most."""
    parts = pattern.split("*")
    if len(parts) == 1:
        return pattern == code
    if not code.startswith(parts[0]) or len(code) < len(parts[0]) + len(parts[-1]) or not code.endswith(parts[-1]):
        return False
    place, end = len(parts[0]), len(code) - len(parts[-1])
    for part in parts[1:-1]:
        place = code.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True
