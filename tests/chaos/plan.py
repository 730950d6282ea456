"""What a fault needs of its stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEVICES = ("pi-a", "pi-b")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stack is made: all of it runs at first, unless said otherwise here."""

    ingestors: int = 1
    ingestors_start: bool = True
    """Whether they are started with the rest; else the fault does."""
    broker: Mapping[str, str] = field(default_factory=dict)
    """Lines of mosquitto.conf in place of ours, by their first word."""
    database: Mapping[str, str] = field(default_factory=dict)
    """Settings of postgresql.conf."""
    ingestor: Mapping[str, str] = field(default_factory=dict)
    """Settings of the ingestors by the end of their name (`SESSION_EXPIRY_S`)."""
    device: Mapping[str, str] = field(default_factory=dict)
    """Settings of the agents, likewise."""
    small_disks: frozenset[str] = frozenset()
    """Which have a small disk of their own: `outbox` (the first device's), `database`, `wal`, `broker`."""
    own_clocks: frozenset[str] = frozenset()
    """Services whose clock can be moved, by name (`pi-a`, `wattline-ingestor-0`)."""
