"""What goes into a mapping's application and comes out of it."""

from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

MOST_FAULTS: Final = 50
"""How many faults of a payload are kept; more are counted."""
MOST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Payload:
    """What a third party sent, as it came but for its compression; `key` names it among those of its source."""

    body: bytes
    received_at: datetime
    content_type: str = ""
    topic: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One meter's values at one time (UTC), in canonical units; `units` has those that the catalogue leaves open."""

    at: datetime
    values: dict[str, Decimal]
    units: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What a payload tells of a meter beside its readings; '' where nothing."""

    manufacturer: str = ""
    product: str = ""
    serial: str = ""
    firmware: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """An event of a meter, or of the source itself where `meter` is None; `at` is in UTC."""

    kind: str
    at: datetime
    meter: str | None = None
    severity: Literal["info", "warning", "error"] = "info"
    detail: Table[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What of a payload could not be taken: where it stands, which field of the mapping asked for it, and why not."""

    place: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{', '.join(part for part in (self.place, self.field) if part)}: {self.reason}"


@dataclass(slots=True)
class Mapped:
    """What a payload gave. `ignored` counts records by the reason why they are of no concern."""

    key: str = ""
    """What names the payload, so that a repeat of it gives the same events once."""
    readings: dict[str, list[Sample]] = field(default_factory=dict)
    """By the key of the meter, in the order of time."""
    meters: dict[str, MeterFacts] = field(default_factory=dict)
    events: list[MappedEvent] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    """The first of them."""
    faulty: int = 0
    """All of them."""
    work: int = 0
    """Steps that it took; more than were allowed where it was refused for that."""

    def ignore(self, reason: str, records: int = 1) -> None:
        """Count records that are of no concern."""
        self.ignored[reason] = self.ignored.get(reason, 0) + records

    def fault(self, place: str, field_name: str, reason: str) -> None:
        """Note a fault, or count it where many were noted already."""
        self.faulty += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(place, field_name, reason[:MOST_REASON]))

    @property
    def values(self) -> int:
        """How many values came out."""
        return sum(len(sample.values) for samples in self.readings.values() for sample in samples)

    @property
    def gives_nothing(self) -> bool:
        """Whether nothing came out of a payload that was not told to be of no concern."""
        return not self.readings and not self.events and (self.faulty > 0 or SKIPPED not in self.ignored)

    @property
    def reason(self) -> str:
        """What was wrong, for people; '' where nothing was."""
        if self.faults:
            more = f" (and {self.faulty - 1} more)" if self.faulty > 1 else ""
            return f"{self.faults[0]}{more}"[:MOST_REASON]
        return NOTHING if self.gives_nothing else ""


SKIPPED: Final = "skipped"
"""Records that the mapping's `skip` tells to be of no concern."""
NO_VALUES: Final = "no_values"
"""Records without any of the values that the mapping names."""
REPEATED: Final = "repeated"
"""Values that stood in the payload before, of the same meter, code and time."""
NOTHING: Final = "no record in it has a value that the mapping names"
