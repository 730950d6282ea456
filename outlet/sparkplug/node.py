"""The edge node: which births, data and deaths follow from looks at the store (Sparkplug 3.0, chapters 4 to 6).

One edge node for the whole outlet, and a device for each meter. A will belongs to a connection, so an edge node is one;
a node for each Pi would be a connection to the host's broker for each, held by a process that is none of theirs, and
their deaths would tell of the outlet. What a Pi's absence means is told for its meters, by DDEATH.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from broker.contract.obis import Obis, lookup
from broker.errors import ContractError
from broker.mqtt.publication import Publication
from broker.sparkplug.datatypes import DataType
from broker.sparkplug.decoding import decode
from broker.sparkplug.encoding import encode
from broker.sparkplug.payload import Metric, Payload
from broker.sparkplug.topics import BDSEQ, REBIRTH, MessageType, NodeTopic, next_seq
from outlet.fleet.snapshot import Meter, Snapshot
from outlet.fleet.store import NewestReading
from outlet.spans.store import StoredReading
from outlet.sparkplug.recently import Recently

HISTORY_METRICS: Final = 500
"""In one message, which has some 15 KiB with them."""
_RESERVED: Final = str.maketrans({"+": "_", "/": "_", "#": "_"})
Message = tuple[str, bytes]
"""Topic and payload; all are QoS 0 and not retained."""


@dataclass(frozen=True, slots=True)
class Late:
    """Messages with so many readings as historical values; `untold` are those that no message can tell."""

    messages: list[Message]
    readings: int
    untold: int


class EdgeNode:
    """Without I/O: what it returns is to be sent in this order, on the connection that `births()` was called for."""

    def __init__(self, group: str, node: str, software: str, silent_s: float, *, history: bool = True) -> None:
        self._group = group
        self._node = node
        self._software = software
        self._silent_s = silent_s
        self._seq = 0
        self._aliases: dict[tuple[str, str], int] = {}
        """By meter and code; unique in the node, and the same for all its life."""
        self._born: dict[str, dict[str, NewestReading]] = {}
        """What hosts know of each device that is born and not dead."""
        self._told = Recently() if history else None
        """Values that were told since births, by alias and time: spans are coarse, and have some of them again."""

    @property
    def commands(self) -> str:
        """Where hosts ask for births."""
        return str(NodeTopic(MessageType.NCMD, self._group, self._node))

    def death(self, bdseq: int) -> Publication:
        """The will of a connection; published too before one is ended on purpose."""
        metric = Metric(BDSEQ, timestamp_ms=_now_ms(), datatype=DataType.INT64, value=bdseq)
        topic = NodeTopic(MessageType.NDEATH, self._group, self._node)
        return Publication(str(topic), encode(Payload((metric,), timestamp_ms=_now_ms())), qos=1)

    def asks_for_births(self, topic: str, data: bytes) -> bool:
        """Whether a command is a host's wish for births. Raises ContractError for one that can't be read."""
        wish = decode(data, plain=True).metric(REBIRTH) if topic == self.commands else None
        return wish is not None and wish.value is True

    def births(self, snapshot: Snapshot, bdseq: int) -> list[Message]:
        """NBIRTH, and a DBIRTH for each meter that is there."""
        now_ms = _now_ms()
        metrics = (
            Metric(BDSEQ, timestamp_ms=now_ms, datatype=DataType.INT64, value=bdseq),
            Metric(REBIRTH, timestamp_ms=now_ms, datatype=DataType.BOOLEAN, value=False),
            Metric("Properties/Software", timestamp_ms=now_ms, datatype=DataType.STRING, value=self._software),
        )
        self._born.clear()
        self.forget()
        self._seq = 0
        birth = NodeTopic(MessageType.NBIRTH, self._group, self._node)
        messages = [(str(birth), encode(Payload(metrics, now_ms, self._seq)))]
        return messages + list(self._changes(snapshot))

    def data(self, snapshot: Snapshot) -> list[Message]:
        """What has changed since births or data before: births of devices that come or report more, data, deaths."""
        return list(self._changes(snapshot))

    def history(self, readings: Iterable[StoredReading]) -> Late:
        """What was stored and never told as the present, as historical values.

        To be called when what they were stored with has been looked at, so that the newest of them is known to hosts.
        Not told are those of devices that are not born, and of metrics that their birth did not have.
        """
        late, untold = dict[str, list[StoredReading]](), 0
        for one in readings:
            known = self._born.get(one.meter, {}).get(one.obis)
            if known is None or known.unit != one.unit:
                untold += 1
            elif one.at < known.at and self._is_new(one.meter, one.obis, one.at):
                late.setdefault(one.meter, []).append(one)
        messages = []
        for key, found in late.items():
            found.sort(key=lambda one: one.at)
            for first in range(0, len(found), HISTORY_METRICS):
                metrics = [self._historical(one) for one in found[first : first + HISTORY_METRICS]]
                messages.append(self._message(MessageType.DDATA, key, metrics))
        return Late(messages, sum(map(len, late.values())), untold)

    def forget(self) -> None:
        """Tell again what was told: it did not arrive."""
        if self._told is not None:
            self._told.clear()

    def _changes(self, snapshot: Snapshot) -> Iterator[Message]:
        there = {
            key: dict(meter.readings)
            for key, meter in snapshot.meters.items()
            if meter.readings and meter.available(snapshot.at, self._silent_s)
        }
        for key in [key for key in self._born if key not in there]:
            del self._born[key]
            yield self._message(MessageType.DDEATH, key, ())
        for key, readings in there.items():
            known = self._born.get(key)
            self._born[key] = readings
            for one in readings.values():
                # what has not changed is told, too, by exception
                self._is_new(key, one.obis, one.at)
            if known is None or any(_other(known.get(code), one) for code, one in readings.items()):
                yield self._message(MessageType.DBIRTH, key, self._born_metrics(snapshot.meters[key]))
                continue
            changed = [one for code, one in readings.items() if one.value != known[code].value]
            # what has not changed is not sent, and stays what the next value is compared with
            if changed:
                changed.sort(key=lambda one: one.at)
                yield self._message(MessageType.DDATA, key, [self._metric(key, one) for one in changed])

    def _born_metrics(self, meter: Meter) -> list[Metric]:
        key, found = meter.facts.key, sorted(meter.readings.values(), key=lambda one: one.at)
        return [
            Metric(
                one.obis, self._alias(key, one.obis), _ms(one.at), DataType.DOUBLE, one.value,
                properties={"engUnit": one.unit, "description": _described(one.obis)},
            )
            for one in found
        ]  # fmt: skip

    def _metric(self, key: str, one: NewestReading) -> Metric:
        return Metric(None, self._alias(key, one.obis), _ms(one.at), DataType.DOUBLE, one.value)

    def _historical(self, one: StoredReading) -> Metric:
        alias = self._alias(one.meter, one.obis)
        return Metric(None, alias, _ms(one.at), DataType.DOUBLE, one.value, is_historical=True)

    def _is_new(self, key: str, code: str, at: datetime) -> bool:
        """Note what is told; whether it was not of late."""
        return self._told is None or self._told.add(self._alias(key, code) << 48 | _ms(at))

    def _alias(self, key: str, code: str) -> int:
        return self._aliases.setdefault((key, code), len(self._aliases) + 1)

    def _message(self, kind: MessageType, key: str, metrics: list[Metric] | tuple[Metric, ...]) -> Message:
        self._seq = next_seq(self._seq)
        topic = NodeTopic(kind, self._group, self._node, device_id(key))
        return str(topic), encode(Payload(tuple(metrics), _now_ms(), self._seq))


def device_id(key: str) -> str:
    """A meter's key as Sparkplug takes it; keys that differ in what it reserves stay apart."""
    plain = key.translate(_RESERVED)
    return plain if plain == key else f"{plain}_{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def _other(known: NewestReading | None, one: NewestReading) -> bool:
    """Whether a reading is of a metric that the last birth did not have, or had with another unit."""
    return known is None or known.unit != one.unit


def _described(code: str) -> str:
    try:
        quantity = lookup(Obis.parse(code))
    except ContractError:
        return code
    return quantity.name if quantity else code


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _now_ms() -> int:
    return _ms(datetime.now(UTC))
