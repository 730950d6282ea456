"""Which ciphered telegrams were seen before: a meter's frame counter only rises (IEC 62056-5-3 5.3.3)."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.errors import FrameError
from meters.telegram import Telegram

METERS_MAX: Final = 64
"""System titles that are remembered, the one heard longest ago forgotten first."""
SURELY_LATER: Final = timedelta(minutes=2)
"""By so much a telegram's own time must be later than one that was remembered, to have come after the memory's end."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The newest telegram of a meter that is known: its counter, and its own time, None where it has none.

    `bound` is what may have been counted since, where an earlier run ended before it could say: as far as that a
    telegram may be a repeat.
    """

    newest: int
    bound: int
    at: datetime | None = None


class FrameCounters:
    """The newest counter of each meter on one line; a new key begins a new count, so tell it with `forget`."""

    def __init__(self, known: Mapping[str, Counted] | None = None) -> None:
        self._newest: OrderedDict[str, Counted] = OrderedDict(known or {})

    @property
    def all(self) -> Mapping[str, Counted]:
        """The meters by their system titles."""
        return self._newest

    def check(self, telegram: Telegram) -> None:
        """Take a telegram that was deciphered. Raises FrameError `replayed` where its counter did not rise."""
        security = telegram.security
        if security is None:
            return
        known, at = self._newest.get(security.title), _own_time(telegram)
        if known is not None and security.counter <= known.newest:
            detail = f"frame counter {security.counter} of {security.title} after {known.newest}: a telegram of before"
            raise FrameError("replayed", detail, data=telegram.frame)
        if known is not None and security.counter <= known.bound and not _is_later(known.at, at):
            detail = f"frame counter {security.counter} of {security.title} may have come before the agent's restart"
            raise FrameError("replayed", detail, data=telegram.frame)
        self._newest[security.title] = Counted(security.counter, security.counter, at)
        self._newest.move_to_end(security.title)
        if len(self._newest) > METERS_MAX:
            self._newest.popitem(last=False)

    def forget(self) -> None:
        """Begin anew."""
        self._newest.clear()


def _own_time(telegram: Telegram) -> datetime | None:
    """The meter's time within the telegram, which nobody without its key can write; a wall clock's as if of UTC."""
    time = telegram.time
    return None if time is None else time.at or time.local.replace(tzinfo=UTC)


def _is_later(known: datetime | None, at: datetime | None) -> bool:
    return known is not None and at is not None and at - known > SURELY_LATER
