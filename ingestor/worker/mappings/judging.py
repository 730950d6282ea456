"""A portion of a source's payloads mapped, each judged on its own: a bad one stops none, a dear one is found."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Final

import structlog

from broker.contract.messages import Readings
from broker.contract.topics import Topics
from broker.errors import ContractError
from ingestor.batches.assembler import MOST_DAYS
from ingestor.batches.batch import Batch, Received
from ingestor.batches.records import Stored, salvage
from ingestor.worker.mappings.messages import received_of
from ingestor.worker.mappings.store import WaitingPayload, WaitingSource
from meters.mappings.apply import map_payload
from meters.mappings.document import Mapping
from meters.mappings.types import Mapped, Payload

log = structlog.get_logger()
OWN_FAULT: Final = "Wattline's own code failed on it"
MOST_REASON: Final = 500
CHEAP_BYTES: Final = 256 * 1024
CHEAP_WORK: Final = 50_000
"""Steps of a cheap payload, less than a second of a slow core. What takes more, is larger, or has readings of
more days than one transaction may make chunks for, is dear."""


@dataclass(slots=True)
class Judged:
    """One payload with what came of it; `reason` says what of it could not be taken."""

    id: int
    mapped: Mapped | None
    reason: str
    received: list[Received] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)

    @property
    def state(self) -> str:
        """Of the payload, once it is settled."""
        return "unmapped" if self.mapped is None or self.mapped.gives_nothing else "mapped"

    def outcome(self, conflicts: Sequence[Stored]) -> tuple[int, str]:
        """How many readings of it are stored or were there already, and why what else it gave is in quarantine.

        `conflicts` are rows of the portion that its writing found; all others the batch has.
        """
        names = {salvage(received.delivery.payload) for received in self.received} if conflicts else set()
        conflicting = [row for row in conflicts if salvage(row.data) in names]
        told = {row.reason: row.detail or "" for row in (*self.batch.stored.values(), *conflicting)}
        said = [self.reason, *(f"in quarantine, {reason}: {detail}" for reason, detail in sorted(told.items()))]
        return self.batch.rows - sum(map(values_of, conflicting)), "; ".join(filter(None, said))

    def refuse(self, reason: str) -> None:
        """Take nothing of it."""
        self.mapped, self.reason, self.received, self.batch = None, reason, [], Batch()


@dataclass(slots=True)
class Portion:
    """The next payloads of a source and its mapping, or the reason why it has none.

    `most_s` bounds the time: no further payload is begun then. With `only_cheap` it ends before the first dear one.
    """

    source: WaitingSource
    mapping: Mapping | str
    payloads: Sequence[WaitingPayload]
    only_cheap: bool
    most_s: float
    is_dear: bool = False
    """Whether one of them was dear."""

    def judge(self, topics: Topics) -> list[Judged]:
        """What came of them, in their order; those that are left out wait for the next turn."""
        found, days, end_s = list[Judged](), set[date](), time.monotonic() + self.most_s
        for one in self.payloads:
            judged = self._judge(one, topics)
            if judged is None:
                break
            days |= _days_of(judged.mapped)
            if found and len(days) > MOST_DAYS:
                # with one more it would be stored in pieces
                break
            found.append(judged)
            if time.monotonic() >= end_s:
                break
        return found

    def _judge(self, one: WaitingPayload, topics: Topics) -> Judged | None:
        """None for a dear one that is left to others."""
        mapping, source = self.mapping, self.source
        if isinstance(mapping, str) or one.body is None:
            return Judged(one.id, None, mapping if isinstance(mapping, str) else "its body was dropped")
        if len(one.body) > CHEAP_BYTES:
            self.is_dear = True
            if self.only_cheap:
                return None
        payload = Payload(one.body, one.received_at, one.content_type, one.topic, one.key)
        try:
            mapped = map_payload(mapping, payload, CHEAP_WORK if self.only_cheap else None)
            if mapped.work > CHEAP_WORK or len(_days_of(mapped)) > MOST_DAYS:
                self.is_dear = True
                if self.only_cheap:
                    return None
            received = received_of(source.name, source.version or 0, payload, mapped, topics)
        except Exception as error:
            # a payload on which our own code fails would stop all that come after it
            log.exception("payload_failed", source=source.name, payload=one.id)
            return Judged(one.id, None, f"{OWN_FAULT}: {error!r}"[:MOST_REASON])
        return Judged(one.id, mapped, mapped.reason, received)


def values_of(row: Stored) -> int:
    """How many values a row of quarantine has, 0 where it is no readings message that can be read."""
    try:
        return sum(len(sample.values) for sample in Readings.parse(row.data).samples)
    except ContractError:
        # of a row that is cut at its end nobody knows how many
        return 0


def _days_of(mapped: Mapped | None) -> set[date]:
    """The days of its readings, by UTC: each may want a chunk of its own."""
    samples = chain.from_iterable(mapped.readings.values()) if mapped is not None else ()
    return {one.at.date() for one in samples}


def together(judged: Sequence[Judged]) -> Batch:
    """All of a portion in one batch; the ledger enters none of it, for nobody but the table has numbered it."""
    whole = Batch()
    for one in judged:
        batch = one.batch
        whole.received += batch.received
        whole.fresh += batch.readings
        whole.events |= batch.events
        whole.device_ids |= batch.device_ids
        whole.stored |= {stored.delivery: stored for stored in batch.stored.values()}
        for device_id, meters in batch.foreign.items():
            whole.foreign.setdefault(device_id, set()).update(meters)
    return whole
