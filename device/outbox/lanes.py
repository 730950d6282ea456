"""What is on its way to the broker, or about to be."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from device.outbox.live import LiveLane
from device.outbox.record import Record


class Lane(StrEnum):
    """Why a message is sent."""

    LIVE = "live"
    BACKLOG = "backlog"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Lanes:
    """Messages that the outbox must leave as they are: their acknowledgement would count for one that stays.

    `backlog` was read from disk and is sent next; `in_flight` waits for its PUBACK, by index.
    """

    live: LiveLane = field(default_factory=LiveLane)
    backlog: deque[Record] = field(default_factory=deque)
    in_flight: dict[int, Lane] = field(default_factory=dict)

    def any_of(self, first: int, end: int) -> bool:
        """Whether one of these indices is in a lane."""
        indices = (self.in_flight, [record.index for record in self.backlog])
        return self.live.any_of(first, end) or any(first <= index < end for lane in indices for index in lane)

    def on_the_way(self, *lanes: Lane) -> int:
        """How many messages of these lanes wait for their PUBACK."""
        return sum(lane in lanes for lane in self.in_flight.values())
