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


def next_seq(seq: int) -> int:
    """The number of the message after one: 0 to 255 in turn."""
    return (seq + 1) % SEQ_MODULUS
