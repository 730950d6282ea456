"""What a host knows of edge nodes: births, aliases, sequence numbers; and what each message means by them. No I/O.

By Sparkplug 3.0: a node's birth carries all its metrics and sets the sequence; each later message of the node and its
devices counts one up, 0 to 255 (6.4.3). What is out of sequence, or of a node or device whose birth is not known, asks
for a new birth, and is kept all the same with what it says by itself.
"""

import contextlib
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from broker.errors import ContractError
from broker.sparkplug.datatypes import DataType
from broker.sparkplug.payload import Metric, Payload
from broker.sparkplug.topics import BDSEQ, MessageType, NodeTopic, next_seq

CONTROL: Final = "Node Control/"
REBIRTH_EVERY_S: Final = 60.0
"""A node is asked for a new birth so often at most."""
MOST_NODES: Final = 5000
MOST_DEVICES: Final = 1000
MOST_ALIASES: Final = 20_000
"""Of one node with its devices."""


@dataclass(slots=True)
class _Node:
    """One edge node. `seq` is None while no birth is known or a message is missing; `dead` by its NDEATH."""

    seq: int | None = None
    bdseq: int | None = None
    dead: bool = True
    asked_s: float = float("-inf")
    aliases: dict[int, tuple[str, DataType | None]] = field(default_factory=dict)
    """Names and data types by alias: an alias is one for the node and all its devices (6.4.9)."""
    devices: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message gives: a document for the mapping, None where it has no readings; whether to ask for a birth."""

    document: dict[str, Any] | None = None
    rebirth: bool = False
    gone: bool = False
    """The node or device is dead: what was known of it is stale."""


class Nodes:
    """All edge nodes of one broker, the longest silent forgotten where there are more than MOST_NODES."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], _Node] = OrderedDict()

    @property
    def alive(self) -> int:
        """Nodes that are born and not dead."""
        return sum(not node.dead for node in self._nodes.values())

    def expects(self, group: str, node: str) -> int | None:
        """The number of a node's next message; None where its birth is not known, or a message was missing."""
        found = self._nodes.get((group, node))
        return None if found is None or found.dead or found.seq is None else next_seq(found.seq)

    def is_early(self, place: NodeTopic, payload: Payload, now_s: float) -> bool:
        """Whether a message may have overtaken another, its birth too; not where a birth was asked for and may come."""
        if place.kind in (MessageType.NBIRTH, MessageType.NDEATH) or payload.seq is None:
            return False
        node = self._nodes.get((place.group, place.node))
        if node is None or node.dead:
            return node is None or now_s - node.asked_s >= REBIRTH_EVERY_S
        return node.seq is not None and payload.seq != next_seq(node.seq)

    def is_death(self, place: NodeTopic, payload: Payload) -> bool:
        """Whether an NDEATH ends the present session: the will of a connection before has another bdSeq (6.4.19)."""
        node = self._nodes.get((place.group, place.node))
        return node is not None and _is_death(node, payload)

    def hear(self, place: NodeTopic, payload: Payload, now_s: float, *, may_ask: bool = True) -> Heard:
        """Take one message; `now_s` of one monotonic clock. No birth is asked for where it `may_ask` for none."""
        node = self._node(place)
        match place.kind:
            case MessageType.NBIRTH:
                return self._born(node, place, payload)
            case MessageType.NDEATH:
                return _died(node, payload)
        in_order = not node.dead and node.seq is not None and payload.seq == next_seq(node.seq)
        if in_order:
            node.seq = payload.seq
        if place.kind is MessageType.DBIRTH:
            if not node.dead and len(node.devices) < MOST_DEVICES:
                node.devices.add(place.device)
            _learn(node, payload)
        elif place.kind is MessageType.DDEATH:
            node.devices.discard(place.device)
            return Heard(rebirth=self._ask(node, now_s, in_order, may_ask), gone=True)
        known = not place.device or place.device in node.devices
        document, complete = _document(node, place, payload)
        return Heard(document, self._ask(node, now_s, in_order and known and complete, may_ask))

    def _node(self, place: NodeTopic) -> _Node:
        key = place.group, place.node
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = _Node()
            if len(self._nodes) > MOST_NODES:
                self._nodes.popitem(last=False)
        self._nodes.move_to_end(key)
        return node

    @staticmethod
    def _born(node: _Node, place: NodeTopic, payload: Payload) -> Heard:
        node.aliases.clear()
        node.devices.clear()
        node.seq, node.dead = payload.seq, False
        node.bdseq = _bdseq(payload)
        _learn(node, payload)
        return Heard(_document(node, place, payload)[0])

    @staticmethod
    def _ask(node: _Node, now_s: float, well: bool, may_ask: bool) -> bool:
        """Whether to ask for a birth now; what follows is out of sequence until it comes."""
        if well:
            return False
        node.seq = None
        if not may_ask or now_s - node.asked_s < REBIRTH_EVERY_S:
            return False
        node.asked_s = now_s
        return True


def place_of(topic: str) -> NodeTopic | None:
    """A topic of an edge node's messages; None for commands, states, and what is no topic of Sparkplug's."""
    try:
        place = NodeTopic.parse(topic)
    except ContractError:
        return None
    return place if place.kind not in (MessageType.NCMD, MessageType.DCMD) else None


def _died(node: _Node, payload: Payload) -> Heard:
    if not _is_death(node, payload):
        return Heard()
    node.dead, node.seq = True, None
    node.devices.clear()
    return Heard(gone=True)


def _is_death(node: _Node, payload: Payload) -> bool:
    return not node.dead and (node.bdseq is None or _bdseq(payload) == node.bdseq)


def _bdseq(payload: Payload) -> int | None:
    found = payload.metric(BDSEQ)
    return found.value if found is not None and isinstance(found.value, int) else None


def _learn(node: _Node, payload: Payload) -> None:
    for metric in payload.metrics:
        if metric.alias is not None and metric.name and len(node.aliases) < MOST_ALIASES:
            node.aliases[metric.alias] = metric.name, metric.datatype


def _document(node: _Node, place: NodeTopic, payload: Payload) -> tuple[dict[str, Any] | None, bool]:
    """What a mapping is given, and whether each metric has a name."""
    metrics = [_shown(node, metric, payload) for metric in payload.metrics if not _is_ours(metric)]
    if not metrics:
        return None, True
    document = {
        "group": place.group, "node": place.node, "device": place.device, "type": str(place.kind),
        "timestamp": payload.timestamp_ms, "seq": payload.seq, "metrics": metrics,
    }  # fmt: skip
    return document, all("name" in one for one in metrics)


def _is_ours(metric: Metric) -> bool:
    """The protocol's own metrics, which are no readings."""
    return metric.name is not None and (metric.name == BDSEQ or metric.name.startswith(CONTROL))


def _shown(node: _Node, metric: Metric, payload: Payload) -> dict[str, Any]:
    name, datatype = metric.name, metric.datatype
    if not name and metric.alias is not None and metric.alias in node.aliases:
        name, known = node.aliases[metric.alias]
        datatype = datatype if datatype is not None else known
    shown: dict[str, Any] = {
        "value": _value(metric, datatype),
        "timestamp": metric.timestamp_ms or payload.timestamp_ms,
    }
    if name:
        shown["name"] = name
    if metric.alias is not None:
        shown["alias"] = metric.alias
    if datatype is not None:
        shown["datatype"] = datatype
    if metric.is_historical:
        shown["historical"] = True
    return shown


def _value(metric: Metric, datatype: DataType | None) -> bool | int | float | str | None:
    """A value as a document has it, by its birth's data type where it names none; what is not of that type stays."""
    value = metric.value
    if metric.datatype is None and datatype is not None:
        with contextlib.suppress(ContractError):
            value = metric.typed(datatype).value
    # not finite: no number of JSON's, and none of a meter's
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str) else None
