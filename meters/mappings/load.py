"""Mappings as remote input: read, checked field by field, and tried on their own goldens."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from broker.errors import ContractError
from broker.plain_errors import plain_reason
from meters.mappings.apply import map_payload
from meters.mappings.document import Golden, Mapping
from meters.mappings.types import Mapped, Payload
from meters.specs.document import read_document

RECEIVED: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When a golden came that does not say it."""
_GUIDE: Final = "docs/SOURCES.md"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a golden's payload gives something else than it must; texts for people."""

    golden: str
    place: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.golden}: {self.place}: expected {self.expected}, got {self.got}"


def load_mapping(text: str | bytes, *, origin: str, trusted: bool = False) -> Mapping:
    """Read a mapping from YAML or JSON; `origin` (a file name, `api`) stands in the errors.

    Its goldens are tried unless it is `trusted`, as one that the store took is. Raises ContractError that names the
    field and the fix.
    """
    return mapping_from(read_document(text, origin=origin), origin=origin, trusted=trusted)


def mapping_from(document: dict[str, Any], *, origin: str, trusted: bool = False) -> Mapping:
    """The same from a document that was read. Raises ContractError."""
    try:
        mapping = Mapping.model_validate(document)
    except ValidationError as error:
        raise _refusal(error, origin) from error
    if not trusted:
        difference = next(check(mapping), None)
        if difference is not None:
            raise ContractError(
                f"{difference} [{origin}]", field="goldens", fix="correct the mapping, or what the golden must give"
            )
    return mapping


def _refusal(error: ValidationError, origin: str) -> ContractError:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:200] or "mapping"
    place = field.rsplit(".", 1)[0] if "." in field else "a mapping"
    fixes = {
        "extra_forbidden": f"{place} has no such field; {_GUIDE} lists them",
        "missing": f"add it; {_GUIDE} shows complete examples",
        "too_long": "shorten the list",
        "string_too_long": "shorten the text",
    }
    fix = fixes.get(first["type"], f"{_GUIDE} says how this field is written")
    return ContractError(f"{plain_reason(first)} [{origin}]", field=field, fix=fix)


def check(mapping: Mapping) -> Iterator[Difference]:
    """All differences of all goldens; none means that the mapping does what it says."""
    for golden in mapping.goldens:
        yield from _check_golden(mapping, golden)


def payload_of(golden: Golden) -> Payload:
    """A golden's payload as it came. Raises ValueError for base64 that is none."""
    if golden.payload is not None:
        body = golden.payload.encode("utf-8", "surrogatepass")
    else:
        body = base64.b64decode("".join((golden.base64 or "").split()), validate=True)
    return Payload(body, (golden.received or RECEIVED).astimezone(UTC), golden.content_type, golden.topic, golden.name)


def _check_golden(mapping: Mapping, golden: Golden) -> Iterator[Difference]:
    try:
        mapped = map_payload(mapping, payload_of(golden))
    except (binascii.Error, ValueError) as error:
        yield Difference(golden.name, "base64", "readable bytes", str(error))
        return
    if golden.refused is not None:
        if not mapped.gives_nothing or golden.refused not in mapped.reason:
            yield Difference(golden.name, "refused", golden.refused, mapped.reason or "readings or events")
        return
    if mapped.faulty != golden.faults:
        yield Difference(golden.name, "faults", str(golden.faults), f"{mapped.faulty}: {mapped.reason or 'none'}")
    yield from _readings(golden, mapped)
    wanted = sorted((event.at.astimezone(UTC), event.kind, event.meter or "") for event in golden.events)
    got = sorted((event.at, event.kind, event.meter or "") for event in mapped.events)
    if wanted != got:
        yield Difference(golden.name, "events", _events(wanted), _events(got))


def _readings(golden: Golden, mapped: Mapped) -> Iterator[Difference]:
    wanted = dict[tuple[str, datetime, str], Decimal]()
    for reading in golden.readings:
        at = reading.at.astimezone(UTC)
        wanted |= {(reading.meter, at, code): value for code, value in reading.values.items()}
    got = {
        (meter, sample.at, code): value
        for meter, samples in mapped.readings.items()
        for sample in samples
        for code, value in sample.values.items()
    }
    for key in sorted(wanted.keys() | got.keys()):
        if wanted.get(key) != got.get(key):
            meter, at, code = key
            place = f"readings of {meter} at {at.isoformat().replace('+00:00', 'Z')}, {code}"
            yield Difference(golden.name, place, _number(wanted.get(key)), _number(got.get(key)))


def _number(value: Decimal | None) -> str:
    return "no reading" if value is None else f"{value:f}"


def _events(found: list[tuple[datetime, str, str]]) -> str:
    return ", ".join(f"{kind} at {at.isoformat()} {meter}".rstrip() for at, kind, meter in found)[:500] or "none"
