"""Which ciphered telegrams were seen before: a meter's frame counter only rises (IEC 62056-5-3 5.3.3)."""

from collections import OrderedDict
from typing import Final

from broker.errors import FrameError
from meters.telegram import Telegram

METERS_MAX: Final = 64
"""System titles that are remembered, the one heard longest ago forgotten first."""


class FrameCounters:
    """The newest counter of each meter on one line; a new key begins a new count, so tell it with `forget`."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()

    def check(self, telegram: Telegram) -> None:
        """Take a telegram that was deciphered. Raises FrameError `replayed` where its counter did not rise."""
        security = telegram.security
        if security is None:
            return
        newest = self._newest.get(security.title)
        if newest is not None and security.counter <= newest:
            detail = f"frame counter {security.counter} of {security.title} after {newest}: a telegram of before"
            raise FrameError("replayed", detail, data=telegram.frame)
        self._newest[security.title] = security.counter
        self._newest.move_to_end(security.title)
        if len(self._newest) > METERS_MAX:
            self._newest.popitem(last=False)

    def forget(self) -> None:
        """Begin anew."""
        self._newest.clear()
