"""Sparkplug's topics and message types (Sparkplug 3.0, chapter 4)."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from broker.errors import ContractError

NAMESPACE: Final = "spBv1.0"
REBIRTH: Final = "Node Control/Rebirth"
"""The metric by which a host asks an edge node for its births again."""
BDSEQ: Final = "bdSeq"
"""The metric that says which birth a death belongs to."""
SEQ_MODULUS: Final = 256
STATE_BYTES: Final = 4096
"""More than a host's state can have: two fields."""
_RESERVED: Final = frozenset("+/#\0")


class MessageType(StrEnum):
    """The message types; those that begin with D are of a device below an edge node."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"
    DCMD = "DCMD"

    @property
    def of_device(self) -> bool:
        """Whether such a message is of a device, so that its topic names one."""
        return self.value.startswith("D")


@dataclass(frozen=True, slots=True)
class NodeTopic:
    """A message's topic; `device` is '' where it is the edge node's own."""

    kind: MessageType
    group: str
    node: str
    device: str = ""

    def __post_init__(self) -> None:
        for field, name in (("group", self.group), ("edge node", self.node)):
            check_id(name, field)
        if self.kind.of_device:
            check_id(self.device, "device")
        elif self.device:
            raise ContractError(f"a {self.kind} names no device", field="topic", fix="leave the device out")

    @classmethod
    def parse(cls, topic: str) -> Self:
        """Take a topic apart. Raises ContractError for one that is no edge node's (a host's STATE is none)."""
        parts = topic.split("/")
        if len(parts) not in (4, 5) or parts[0] != NAMESPACE or parts[2] not in MessageType.__members__:
            raise ContractError(
                "no topic of an edge node", field=topic[:200], fix=f"{NAMESPACE}/group/type/edge-node[/device]"
            )
        return cls(MessageType(parts[2]), parts[1], parts[3], parts[4] if len(parts) == 5 else "")

    def __str__(self) -> str:
        topic = f"{NAMESPACE}/{self.group}/{self.kind}/{self.node}"
        return f"{topic}/{self.device}" if self.device else topic


def check_id(name: str, field: str) -> str:
    """A group's, an edge node's, a device's or a host's id. Raises ContractError for one that no topic can carry."""
    if not name or _RESERVED & set(name) or len(name.encode()) > 1024:
        raise ContractError(f"{name[:80]!r} is no id", field=field, fix="a text without + / #")
    return name


def state_topic(host: str) -> str:
    """Where a host application says whether it is online."""
    return f"{NAMESPACE}/STATE/{check_id(host, 'host')}"


def state_payload(at_ms: int, *, online: bool) -> bytes:
    """What it says there: of one time with its will, so that nodes can tell an old will from a new one."""
    return json.dumps({"online": online, "timestamp": at_ms}).encode()


def read_state(payload: bytes) -> tuple[bool, int]:
    """Whether a host is online, and of what time (Unix ms) that is. Raises ContractError for what is no state."""
    fix = '{"online": true, "timestamp": milliseconds}, as of Sparkplug 3.0; hosts of 2.2 say ONLINE elsewhere'
    try:
        state = json.loads(payload) if len(payload) <= STATE_BYTES else None
    except (ValueError, RecursionError) as error:
        raise ContractError(f"a host's state is no JSON: {error}", field="state", fix=fix) from error
    online, at_ms = (state.get("online"), state.get("timestamp")) if isinstance(state, dict) else (None, None)
    if not isinstance(online, bool):
        raise ContractError("a host's state has no boolean", field="online", fix=fix)
    if not isinstance(at_ms, int) or isinstance(at_ms, bool) or at_ms < 0:
        raise ContractError("a host's state has no whole number", field="timestamp", fix=fix)
    return online, at_ms


def next_seq(seq: int) -> int:
    """The number of the message after one: 0 to 255 in turn."""
    return (seq + 1) % SEQ_MODULUS
