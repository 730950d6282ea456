"""What the domain found, as the API's documents."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from itertools import islice
from typing import Any

from gateway.api.sources.models import MappingView, TriedEvent, TriedSample, TriedView
from gateway.sources.store import MappingVersion
from gateway.sources.trying import MOST_SHOWN
from meters.mappings.types import Mapped


def mapping_view(source: str, one: MappingVersion) -> MappingView:
    """A version of a source's mapping."""
    return MappingView(source=source, **asdict(one))


def tried_view(mapped: Mapped) -> TriedView:
    """What a payload would give, the first of it."""
    samples = [(meter, sample) for meter, found in mapped.readings.items() for sample in found]
    return TriedView(
        gives_nothing=mapped.gives_nothing,
        reason=mapped.reason,
        values=mapped.values,
        meters=len(mapped.readings),
        readings=tuple(
            TriedSample(meter=meter, at=one.at, values=_first(one.values)) for meter, one in samples[:MOST_SHOWN]
        ),
        events=tuple(
            TriedEvent(kind=one.kind, at=one.at, meter=one.meter, severity=one.severity, detail=_plain(one.detail))
            for one in mapped.events[:MOST_SHOWN]
        ),
        ignored=mapped.ignored,
        faults=tuple(str(one) for one in mapped.faults),
        faulty=mapped.faulty,
    )


def _plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    # half of a character, which JSON may name, can't be sent
    found: dict[str, Any] = json.loads(json.dumps(detail, default=str, ensure_ascii=False).encode(errors="replace"))
    return found


def _first(values: Mapping[str, Decimal]) -> dict[str, float]:
    # a payload whose records name their codes may have a hundred thousand of one time
    return {code: float(value) for code, value in islice(values.items(), MOST_SHOWN)}
