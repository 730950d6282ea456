"""Rules, what they have found, and messages on their way, in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Json

from store.sql import Connection, Database, statement


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule that is enabled, and when it spoke last; `more` events it has only counted since."""

    name: str
    document: Json[Mapping[str, object]]
    told_at: datetime | None
    more: int


@dataclass(frozen=True, slots=True)
class TakenEvent:
    """An event, taken out of what waits for the rules."""

    id: int
    at: datetime
    device: str | None
    meter: str | None
    event: str
    severity: str
    detail: Json[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class DeviceLabels:
    """A device with its labels and facts."""

    device: str
    labels: Json[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class State:
    """Something that lasts; of energy and the like with its value."""

    subject: str
    device: str | None
    meter: str | None
    since: datetime
    value: float | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Tellable:
    """One of what a rule could tell, with how many there are of its phase and since when the first waits."""

    phase: str
    total: int
    oldest_at: datetime
    subject: str
    device: str | None
    meter: str | None
    severity: str
    since: datetime
    value: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class TakenNotice:
    """A message in hand; `failures` are its channel's in a row."""

    id: UUID
    rule: str | None
    channel: str
    made_at: datetime
    event: Json[Mapping[str, object]]
    title: str
    text: str
    tries: int
    tries_left: int
    failures: int
    master: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class NoticeCount:
    """Messages of all channels."""

    waiting: int
    dead: int
    oldest_s: float


@statement
async def hold_notices(connection: Connection) -> bool:
    """Be the one who finds and tells, until the transaction ends; False where another one is."""


@statement
async def notice_rules(connection: Connection) -> list[StoredRule]:
    """The rules that are enabled."""


@statement
async def take_notice_events(connection: Connection, most: int) -> list[TakenEvent]:
    """The next events, which are gone with the end of the transaction."""


@statement
async def notices_missed(database: Database) -> int:
    """How many events no rule was ever given, as too many waited."""


@statement
async def notice_labels(connection: Connection, devices: Sequence[str]) -> list[DeviceLabels]:
    """The labels of devices."""


@statement
async def add_found_events(
    connection: Connection, rule: str, subjects: Sequence[str], devices: Sequence[str | None],
    meters: Sequence[str | None], severities: Sequence[str], since: Sequence[datetime],
    values: Sequence[float | None], details: Sequence[str], most: int,
) -> None:  # fmt: skip
    """Note what a rule is to tell of; `most` at a time, the others are counted."""


@statement
async def add_found_states(
    connection: Connection, rule: str, subjects: Sequence[str], devices: Sequence[str | None],
    meters: Sequence[str | None], severities: Sequence[str], since: Sequence[datetime],
    values: Sequence[float | None], details: Sequence[str],
) -> None:  # fmt: skip
    """Note which states there are; those that were there go on."""


@statement
async def end_found_states(connection: Connection, rule: str, subjects: Sequence[str], told: bool) -> None:
    """Note that all other states are over."""


@statement
async def found_of_rule(connection: Connection, rule: str, repeat: timedelta | None, most: int) -> list[Tellable]:
    """What a rule could tell, `most` of each phase; states again that last for `repeat` since they were told."""


@statement
async def note_told(connection: Connection, rule: str, phase: str, repeat: timedelta | None) -> None:
    """Note that all of a phase was told."""


@statement
async def add_notice(
    connection: Connection, number: UUID, rule: str, channel: str, event: Json[Mapping[str, object]], title: str,
    text: str, tries: int, most: int,
) -> None:  # fmt: skip
    """Enter a message; dead at once where `most` wait for its channel."""


@statement
async def due_channels(database: Database) -> list[str]:
    """Channels for which something is to be sent now, and nobody is at it."""


@statement
async def take_notice(database: Database, channel: str, for_s: float) -> TakenNotice | None:
    """Take a channel's next message in hand; another worker may have it behind that time."""


@statement
async def end_notice(
    database: Database, number: UUID, state: str, answer: str, tries: int, pause: timedelta
) -> None:  # fmt: skip
    """Note what came of an attempt, the how manyth it was, and how long its channel is to rest."""


@statement
async def forget_notices(database: Database) -> None:
    """Drop messages that were sent a week ago, and dead ones of a month ago."""


@statement
async def give_up_notices(database: Database) -> None:
    """Give up what has waited for two days behind a channel that fails."""


@statement
async def count_notices(database: Database) -> NoticeCount:
    """How many messages wait, how many are dead, and how long the first waits."""


@statement
async def state_offline(database: Database, lasting: timedelta) -> list[State]:
    """Devices that are offline for so long."""


@statement
async def state_silent(database: Database, lasting: timedelta) -> list[State]:
    """Meters that give nothing for so long, and for three of their own cadences."""


@statement
async def state_gap(database: Database, lasting: timedelta) -> list[State]:
    """Meters of which readings are missing that were due so long ago."""


@statement
async def state_unknown_meter(database: Database, lasting: timedelta) -> list[State]:
    """Meters that no spec of their product reads, for so long."""


@statement
async def state_key_wanted(database: Database, lasting: timedelta) -> list[State]:
    """Meters that want a key or a password for so long."""


@statement
async def state_enrolment(database: Database, lasting: timedelta) -> list[State]:
    """Devices that wait for a person for so long."""


@statement
async def state_certificate(database: Database, lasting: timedelta) -> list[State]:
    """Certificates that end soon."""


@statement
async def state_threshold(
    database: Database, obis: str, lasting: timedelta, above: float | None, below: float | None
) -> list[State]:  # fmt: skip
    """Meters whose value lies beyond for so long."""


@statement
async def state_consumption(database: Database, above_kwh: float) -> list[State]:
    """Meters that have taken more today."""
