"""How often a release is tried: a trial takes the agent down twice, and meters that push then are not heard. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from broker.contract.messages import At, Message
from broker.contract.software import ReleaseVersion, SoftwareDesired
from broker.errors import ContractError

WITHIN: Final = timedelta(days=1)
MOST: Final = 3
"""So many trials of one release within that time are enough, but for a person who asks for another."""
KEPT: Final = 32


class Undone(Message):
    """A release that was gone back from."""

    release: ReleaseVersion
    at: At


def check(undone: Sequence[Undone], desired: SoftwareDesired, now: datetime) -> None:
    """See that what is desired may have another trial. Raises ContractError."""
    found = sum(one.release == desired.release for one in undone if _is_recent(one, now))
    if found >= MOST and not desired.again:
        raise ContractError(
            f"{desired.release} was undone {found} times within a day", field="release",
            fix="`wattline update retry` has it tried all the same",
        )  # fmt: skip


def noted(undone: Sequence[Undone], release: str, now: datetime) -> tuple[Undone, ...]:
    """What was undone of late, this release too."""
    recent = [one for one in undone if _is_recent(one, now)]
    return (*recent[1 - KEPT :], Undone(release=release, at=now))


def _is_recent(one: Undone, now: datetime) -> bool:
    """Also by a clock that was set back; one that was far ahead must not count for ever."""
    return abs(now - one.at) < WITHIN
