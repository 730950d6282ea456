"""Registers as Home Assistant can take them: a fall is shown once it is sure, as it counts each as a new beginning."""

from collections.abc import Sequence
from typing import Final

CONFIRMATIONS: Final = 3
"""So many readings in a row must be lower before a register is believed to have fallen: a rollover, a reset."""


def shown_of(recent: Sequence[float]) -> float:
    """What to show of a register by its last stored readings, oldest first: the newest, or the one that it fell from.

    A telegram that says 0 once would be a day's whole register of energy in Home Assistant: it takes a value below
    nine tenths of the last for a new cycle from zero, and the next good one for what was used since. A swapped meter is
    another series and begins anew. Nothing is remembered, so whoever looks, and since whenever, has one answer: one of
    the last CONFIRMATIONS readings.
    """
    shown, fallen = recent[0], 0
    for value in recent[1:]:
        fallen = 0 if value >= shown else fallen + 1
        if fallen in (0, CONFIRMATIONS):
            shown, fallen = value, 0
    return shown
