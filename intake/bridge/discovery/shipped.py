"""Which shipped mapping reads a topic: for devices that announce nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from broker.sparkplug.topics import NAMESPACE
from intake.bridge.filters import matches
from meters.mappings.apply import map_payload
from meters.mappings.catalogue import Shipped, catalogue
from meters.mappings.types import Payload

SPARKPLUG: Final = f"{NAMESPACE}/"
"""Topics of edge nodes, which speak no JSON: the host application hears those."""


@dataclass(frozen=True, slots=True)
class Read:
    """A shipped mapping that makes readings of a payload, and the meters that they are of."""

    shipped: Shipped
    meters: tuple[str, ...]


@cache
def shipped_filters() -> tuple[str, ...]:
    """The topic filters of all shipped mappings, each once."""
    return tuple(sorted({name for one in catalogue() for name in one.filters if not name.startswith(SPARKPLUG)}))


def read_by(topic: str, body: bytes) -> Read | None:
    """The shipped mapping that reads a payload without a fault; of several the one whose golden's topic is likest."""
    payload = Payload(body, datetime.now(UTC), "", topic)
    found = []
    for one in catalogue():
        if any(matches(name, topic) for name in one.filters):
            mapped = map_payload(one.mapping, payload)
            if mapped.readings and not mapped.faulty:
                found.append(Read(one, tuple(sorted(mapped.readings))))
    return max(found, key=lambda read: _likeness(read.shipped, topic), default=None)


def _likeness(shipped: Shipped, topic: str) -> int:
    return max((_common(golden.topic or "", topic) for golden in shipped.mapping.goldens), default=0)


def _common(one: str, other: str) -> int:
    """How many letters two texts begin with alike."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
