"""What a mapping made of a payload, as the messages of the device that stands for its source."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any, Final

from broker.contract.messages import Clock, EventMessage, Readings, Sample, Source
from broker.contract.topics import Kind, Topics
from broker.mqtt.session import Inbound
from ingestor.batches.batch import Received
from ingestor.batches.records import cleaned
from ingestor.batches.rows import micros
from meters.mappings.types import Mapped, Payload
from meters.mappings.types import Sample as MappedSample
from store.source_settings import device_of

LIVE: Final = timedelta(minutes=15)
"""Readings older than that at their receipt were kept by somebody: they are a backfill."""
VALUES: Final = 2_000
"""Values in one message, which keeps it far below what a message may have."""
SAMPLES: Final = 1_000
CODES: Final = 512
"""Values in one sample, as the contract has it."""


def received_of(source: str, version: int, payload: Payload, mapped: Mapped, topics: Topics) -> list[Received]:
    """The deliveries that a device would have made of it.

    Boot and number come of the payload's own name, so that the same payload again is the same messages, and its events
    are entered once.
    """
    device = device_of(source)
    boot = hashlib.blake2b(f"{source}\0{mapped.key}".encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
    received_us = micros(payload.received_at)
    found = list[Received]()
    numbers = count(1)
    for number, event in zip(numbers, mapped.events, strict=False):
        message = EventMessage(
            boot=boot, seq=number, at=event.at, event=event.kind, severity=event.severity, meter=event.meter,
            detail=cleaned(dict(event.detail)),
        )  # fmt: skip
        found.append(_received(topics.of(Kind.EVENTS, device), message.payload(), received_us))
    for meter, samples in mapped.readings.items():
        for part in _parts(samples):
            oldest = min(one.at for one in part)
            units = {code: unit for one in part for code, unit in one.units.items()}
            message_of = Readings(
                boot=boot, seq=next(numbers), meter=meter, spec=f"{device}@{version}", clock=Clock.SYNCED,
                source=Source.LIVE if payload.received_at - oldest <= LIVE else Source.BACKFILL,
                samples=tuple(_sample(one) for one in part), units=units or None,
            )  # fmt: skip
            found.append(_received(topics.of(Kind.READINGS, device), message_of.payload(), received_us))
    return found


def _sample(one: MappedSample) -> Sample:
    return Sample(at=one.at, values={code: float(value) for code, value in one.values.items()})


def _parts(samples: list[MappedSample]) -> Iterator[list[MappedSample]]:
    """Samples by the message; a unit that changes begins another one, for a message names one unit a code."""
    part, values, units = list[MappedSample](), 0, dict[str, str]()
    for one in (piece for sample in samples for piece in _pieces(sample)):
        other = any(units.get(code, unit) != unit for code, unit in one.units.items())
        if part and (values + len(one.values) > VALUES or len(part) >= SAMPLES or other):
            yield part
            part, values, units = [], 0, {}
        part.append(one)
        values += len(one.values)
        units |= one.units
    if part:
        yield part


def _pieces(sample: MappedSample) -> Iterator[MappedSample]:
    if len(sample.values) <= CODES:
        yield sample
        return
    codes = list(sample.values)
    for start in range(0, len(codes), CODES):
        piece = {code: sample.values[code] for code in codes[start : start + CODES]}
        yield MappedSample(sample.at, piece, {code: sample.units[code] for code in piece if code in sample.units})


def _received(topic: str, payload: bytes, received_us: int) -> Received:
    # nobody waits for its acknowledgement
    nobody: Any = None
    return Received(Inbound(topic, payload, False, 1, 0, None, None, nobody), received_us, doubtful=True)
