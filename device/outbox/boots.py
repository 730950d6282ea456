"""Which indices of the outbox carry which boot's numbers, for receipts name those. No I/O."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from broker.contract.messages import BootEnd
from broker.errors import ContractError
from broker.patterns import BOOT_ID

RUNS_MAX: Final = 1000
"""Boots with unconfirmed messages that are kept apart; of those beyond it, the oldest, messages are done at PUBACK."""
_IDENTITY: Final = re.compile(rb'\{"boot":"(%s)","seq":([1-9][0-9]{0,15}),' % BOOT_ID.encode())
_BOOT: Final = re.compile(BOOT_ID)


def identity(payload: bytes) -> tuple[str, int] | None:
    """The boot and number that a message carries, as the agent writes them; None where they can't be read."""
    found = _IDENTITY.match(payload)
    return (found[1].decode(), int(found[2])) if found is not None else None


@dataclass(slots=True)
class Run:
    """Indices `first` to `end` - 1, which carry the boot's numbers: index less `base`."""

    boot: str
    base: int
    first: int
    end: int


class Boots:
    """Runs in the order of their indices. The number and the index rise by one with each message of a boot."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def note(self, index: int, payload: bytes) -> None:
        """Take a message that was appended or read again."""
        found = identity(payload)
        if found is None:
            return
        boot, base = found[0], index - found[1]
        place = bisect_right(self._runs, index, key=lambda run: run.first) - 1
        before = self._runs[place] if place >= 0 else None
        if before is not None and index < before.end:
            return
        if before is not None and index == before.end and (before.boot, before.base) == (boot, base):
            before.end = index + 1
            self._join(place)
            return
        self._runs.insert(place + 1, Run(boot, base, index, index + 1))
        self._join(place + 1)
        if len(self._runs) > RUNS_MAX:
            del self._runs[0]

    def _join(self, place: int) -> None:
        run = self._runs[place]
        after = self._runs[place + 1] if place + 1 < len(self._runs) else None
        if after is not None and (run.end, run.boot, run.base) == (after.first, after.boot, after.base):
            run.end = after.end
            del self._runs[place + 1]

    def knows(self, index: int) -> bool:
        """Whether a receipt for this message could be understood."""
        place = bisect_right(self._runs, index, key=lambda run: run.first) - 1
        return place >= 0 and index < self._runs[place].end

    def indices(self, boot: str, first_seq: int, last_seq: int) -> list[tuple[int, int]]:
        """The half-open intervals of indices that carry these numbers, as far as that is known."""
        found = []
        for run in self._runs:
            first, end = max(run.first, run.base + first_seq), min(run.end, run.base + last_seq + 1)
            if run.boot == boot and first < end:
                found.append((first, end))
        return found

    def forget_below(self, index: int) -> None:
        """Forget runs that lie wholly below; the newest is kept in any case."""
        gone = 0
        while gone < len(self._runs) - 1 and self._runs[gone].end <= index:
            gone += 1
        del self._runs[:gone]

    def last(self) -> BootEnd | None:
        """How far the newest boot has got."""
        if not self._runs:
            return None
        run = self._runs[-1]
        return BootEnd(boot=run.boot, seq=run.end - 1 - run.base)

    def rows(self) -> list[list[str | int]]:
        """What `of` reads: boot, base, first index, end."""
        return [[run.boot, run.base, run.first, run.end] for run in self._runs]

    @classmethod
    def of(cls, rows: Iterable[object]) -> Self:
        """Read `rows`. Raises ContractError for what can't be such runs."""
        boots, end = cls(), 0
        for row in rows:
            match row:
                case [str(boot), int(base), int(first), int(following)] if (
                    _BOOT.fullmatch(boot) and max(end, base + 1) <= first < following < 2**63
                ):
                    boots._runs.append(Run(boot, base, first, following))
                    end = following
                case _:
                    raise ContractError("no run of a boot", field="boots")
        return boots
