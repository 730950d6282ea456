"""Messages of edge nodes put in order (Sparkplug 3.0, 5.9): what overtook another waits a while for it. No I/O.

A broker keeps the order of one topic; a node's births, data and deaths are of many, and by a cluster or a bridge one
may come before the other. Only when the time is over is a message missing, and the node asked for a birth.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from broker.sparkplug.payload import Payload
from broker.sparkplug.topics import SEQ_MODULUS, MessageType, NodeTopic
from intake.bridge.sparkplug.nodes import Heard, Nodes

OF_NODE: Final = 64
"""Messages of one node that wait at most: with more, what is missing is not just late."""
MOST: Final = 1000
MOST_BYTES: Final = 4 * 2**20
"""Of all nodes together."""
METRIC_BYTES: Final = 256
"""What a metric takes when it has been read, beside its bytes: tiny ones would be a hundred times as much."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    place: NodeTopic
    payload: Payload
    carried: T
    size: int
    since_s: float


class Reordering(Generic[T]):
    """Before `Nodes`: gives it messages in their order, and returns what it says of each, with what is carried along.

    Where more would wait than the bounds allow, those of the node that has one more are given as they are, and a birth
    is asked for, as if their time were over. Nothing is dropped.
    """

    def __init__(self, nodes: Nodes, wait_s: float) -> None:
        """Without a time to wait nothing waits. Times are of one monotonic clock."""
        self._nodes = nodes
        self._wait_s = wait_s
        self._waiting: dict[tuple[str, str], list[_Waiting[T]]] = {}
        self._bytes = 0
        self.held = 0
        """Messages that wait."""
        self.reordered = 0
        """Those that waited until what was missing came, since the start."""

    @property
    def due_s(self) -> float | None:
        """When the first wait is over."""
        return min((found[0].since_s + self._wait_s for found in self._waiting.values()), default=None)

    def hear(self, place: NodeTopic, payload: Payload, carried: T, size: int, now_s: float) -> list[tuple[T, Heard]]:
        """Take one message; returns what is known now, of it and of what waited for it, in order."""
        key = place.group, place.node
        size += METRIC_BYTES * len(payload.metrics)
        one = _Waiting(place, payload, carried, size, now_s)
        if self._wait_s and self._nodes.is_early(place, payload, now_s):
            self._waiting.setdefault(key, []).append(one)
            self.held, self._bytes = self.held + 1, self._bytes + size
            over = len(self._waiting[key]) > OF_NODE or self.held > MOST or self._bytes > MOST_BYTES
            return self._give_up(key, now_s) if over else []
        before: list[tuple[T, Heard]] = []
        if place.kind is MessageType.NDEATH and self._nodes.is_death(place, payload):
            before = self._tell(self._taken(key, self._waiting.get(key, [])), now_s, may_ask=False)
        elif place.kind is MessageType.NBIRTH:
            older = [waits for waits in self._waiting.get(key, []) if not _follows(waits.payload, payload)]
            before = self._tell(self._taken(key, older), now_s, may_ask=False)
        return [*before, *self._tell([one], now_s), *self._in_order(key, now_s)]

    def overdue(self, now_s: float) -> list[tuple[T, Heard]]:
        """What has waited long enough: it is told as it is, and a birth asked for."""
        late = [key for key, found in self._waiting.items() if found[0].since_s + self._wait_s <= now_s]
        return [told for key in late for told in self._give_up(key, now_s)]

    def rest(self, now_s: float) -> list[tuple[T, Heard]]:
        """All that waits, at the end: who goes asks for no birth."""
        return [told for key in list(self._waiting) for told in self._give_up(key, now_s, may_ask=False)]

    def _in_order(self, key: tuple[str, str], now_s: float) -> list[tuple[T, Heard]]:
        """What waited for the message that has been told just now."""
        told: list[tuple[T, Heard]] = []
        while key in self._waiting:
            wanted = self._nodes.expects(*key)
            found = next((one for one in self._waiting[key] if one.payload.seq == wanted), None)
            if wanted is None or found is None:
                break
            told += self._tell(self._taken(key, [found]), now_s)
            self.reordered += 1
        return told

    def _give_up(self, key: tuple[str, str], now_s: float, *, may_ask: bool = True) -> list[tuple[T, Heard]]:
        found, wanted = list(self._waiting[key]), self._nodes.expects(*key)
        if wanted is not None:
            found.sort(key=lambda one: ((one.payload.seq or 0) - wanted) % SEQ_MODULUS)
        return self._tell(self._taken(key, found), now_s, may_ask=may_ask)

    def _taken(self, key: tuple[str, str], gone: list[_Waiting[T]]) -> list[_Waiting[T]]:
        """The same, which wait no longer."""
        left = [one for one in self._waiting.get(key, []) if not any(one is other for other in gone)]
        if left:
            self._waiting[key] = left
        else:
            self._waiting.pop(key, None)
        self.held -= len(gone)
        self._bytes -= sum(one.size for one in gone)
        return list(gone)

    def _tell(self, found: list[_Waiting[T]], now_s: float, *, may_ask: bool = True) -> list[tuple[T, Heard]]:
        return [(one.carried, self._nodes.hear(one.place, one.payload, now_s, may_ask=may_ask)) for one in found]


def _follows(payload: Payload, birth: Payload) -> bool:
    """Whether a message that waits is of the session that this birth begins, and has overtaken it."""
    if payload.timestamp_ms is None or birth.timestamp_ms is None:
        return False
    return payload.timestamp_ms >= birth.timestamp_ms
