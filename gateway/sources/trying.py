"""A mapping tried on a sample or a kept payload; nothing is stored."""

import base64
import binascii
import codecs
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.faults import conflict, invalid
from gateway.sources.keeping import Sources, read_mapping
from meters.mappings.apply import map_payload
from meters.mappings.types import Mapped, Payload
from store.source_settings import MOST_BYTES

MOST_SHOWN: Final = 200
"""Samples, values of each, and events, that an answer has; the counts are of all."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A payload to try: one of text and base64."""

    text: str | None = None
    encoded: str | None = None
    content_type: str = ""
    topic: str | None = None

    def payload(self) -> Payload:
        """As the intake would have it, received now. Raises Refusal: invalid."""
        if (self.text is None) == (self.encoded is None):
            raise invalid("payload", "give exactly one of payload and base64", "send the sample as text, or in base64")
        if self.text is not None:
            body = self.text.encode("utf-8", "surrogatepass")
        else:
            try:
                body = base64.b64decode("".join((self.encoded or "").split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise invalid("base64", f"no base64: {error}", "encode the payload's bytes in base64") from error
        if len(body) > MOST_BYTES:
            raise invalid("payload", f"{len(body)} bytes", f"at most {MOST_BYTES}")
        return Payload(body, datetime.now(UTC), self.content_type, self.topic)


def check_readable(body: bytes) -> None:
    """Refuse a sample of which no mapping can be proposed: nothing, or no text. Raises Refusal: invalid."""
    if not body.strip():
        raise invalid("payload", "it is empty", "give one payload as its sender sends it")
    if b"\0" in body and not body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise invalid(
            "payload", "it is no text", "give JSON, NDJSON, CSV, a form or a number; what is packed must be unpacked"
        )


async def text_to_try(sources: Sources, name: str, text: str | None) -> str:
    """The mapping that is given, else the one in force. Raises Refusal: unknown, conflict."""
    if text is not None:
        return text
    if (await sources.show(name)).version is None:
        raise conflict(f"{name} has no mapping yet; send one with the sample, or `wattline source map` it first")
    return (await sources.mapping(name, None)).document


async def payload_to_try(sources: Sources, name: str, number: int | None, sample: Sample) -> Payload:
    """A payload that is kept, or the sample. Raises Refusal: unknown, conflict, invalid."""
    if number is None:
        return sample.payload()
    kept = await sources.payload(name, number)
    if kept.body is None:
        raise conflict(f"the body of payload {number} was dropped after it was mapped")
    return Payload(kept.body, kept.received_at, kept.content_type, kept.topic, kept.key)


def tried(name: str, text: str, payload: Payload) -> Mapped:
    """What a source's mapping makes of a payload; it may take seconds. Raises Refusal: invalid."""
    return map_payload(read_mapping(name, text), payload)
