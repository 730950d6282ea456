"""Whose a meter is at which time: the one rule for what a device sends of it, and for what is decoded of it again."""

from collections.abc import Sequence
from typing import Final, NamedTuple

EVER_US: Final = -(2**63)
"""Before any time of a reading, as rows.micros counts."""


class OwnershipPeriod(NamedTuple):
    """A meter was a device's from a time on until another one, which is not part of it."""

    device_id: int
    from_us: int
    until_us: int


class Ownership(NamedTuple):
    """Whose a meter is, since when, and whose it was before; `device_id` is None where nobody's: then anybody's.

    The first device to speak of a meter has it from ever on: what it tells of the past, as a load profile, is taken.
    """

    device_id: int | None
    from_us: int = EVER_US
    past: tuple[OwnershipPeriod, ...] = ()

    def is_of(self, device_id: int, at_us: int) -> bool:
        """Whether what this device says of the meter at this time is to be believed."""
        if at_us >= self.from_us and self.device_id in (None, device_id):
            return True
        return any(one.device_id == device_id and one.from_us <= at_us < one.until_us for one in self.past)

    def was_of(self, device_id: int) -> bool:
        """Whether the meter was this device's at some time."""
        return any(one.device_id == device_id for one in self.past)


NOBODYS: Final = Ownership(None)


def ownership(device_id: int | None, moves: Sequence[tuple[int | None, int, int]]) -> Ownership:
    """Of a meter that is a device's now; `moves` are whom it left, when, and since when it is the next one's.

    That may be a little earlier, while the one before had told nothing yet: then both may speak of that while. What was
    nobody's is whose it became.
    """
    past, from_us = list[OwnershipPeriod](), EVER_US
    for before, at_us, next_us in moves:
        if before is None:
            continue
        past.append(OwnershipPeriod(before, from_us, at_us))
        from_us = next_us
    return Ownership(device_id, from_us, tuple(past))
