"""Sparkplug B topics: `spBv1.0/GROUP/TYPE/NODE[/DEVICE]`, and the host's own state. No I/O."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMESPACE: Final = "spBv1.0"
EVERYTHING: Final = f"{NAMESPACE}/#"


class Kind(StrEnum):
    """Messages of edge nodes, which a host hears (Sparkplug 3.0 4.1)."""

    NBIRTH = "NBIRTH"
    DBIRTH = "DBIRTH"
    NDATA = "NDATA"
    DDATA = "DDATA"
    NDEATH = "NDEATH"
    DDEATH = "DDEATH"


_OF_DEVICES: Final = (Kind.DBIRTH, Kind.DDATA, Kind.DDEATH)


@dataclass(frozen=True, slots=True)
class Place:
    """A topic taken apart; `device` is '' in messages of the node itself."""

    group: str
    kind: Kind
    node: str
    device: str = ""


def parse(topic: str) -> Place | None:
    """A topic of an edge node; None for commands, states, and what is no topic of Sparkplug's."""
    levels = topic.split("/")
    if len(levels) not in (4, 5) or levels[0] != NAMESPACE or "" in levels or levels[2] not in Kind.__members__:
        return None
    kind = Kind(levels[2])
    if (kind in _OF_DEVICES) is not (len(levels) == 5):
        return None
    return Place(levels[1], kind, levels[3], levels[4] if len(levels) == 5 else "")


def command(group: str, node: str) -> str:
    """Where a node hears commands."""
    return f"{NAMESPACE}/{group}/NCMD/{node}"


def state(host: str) -> str:
    """Where a host says whether it is there."""
    return f"{NAMESPACE}/STATE/{host}"


def state_payload(at_ms: int, *, online: bool) -> bytes:
    """What it says: of one time with its will, so that nodes can tell an old will from a new one."""
    return json.dumps({"online": online, "timestamp": at_ms}).encode()
