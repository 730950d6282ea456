"""The faults; importing this enters them all."""

from tests.chaos.faults import agent, broker, clocks, database, disks, ingestor, links, strangers

__all__ = ["agent", "broker", "clocks", "database", "disks", "ingestor", "links", "strangers"]
