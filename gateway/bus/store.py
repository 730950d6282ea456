"""What the broker is to hold, as the store has it, and what devices report of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Json

from broker.contract.messages import Desired, Reported, ReportedState
from broker.contract.software import SoftwareDesired
from store.sql import Connection, Database, statement


@dataclass(frozen=True, slots=True)
class Claimed:
    """A configuration that this gateway is to publish; `taken_over` where another one had claimed it."""

    device_id: int
    device: str
    desired: Json[Desired]
    taken_over: bool


@dataclass(frozen=True, slots=True)
class ClaimedSoftware:
    """The same of which software a device is to run; None clears what the broker holds."""

    device_id: int
    device: str
    version: int
    software: Json[SoftwareDesired] | None
    taken_over: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits to be published, claimed or not; in `free_in_s` the first claim ends, None where there is none."""

    devices: int
    free_in_s: float | None


@dataclass(frozen=True, slots=True)
class DeviceDesired:
    """A device with the mark of its desired configuration, None where it has none."""

    id: int
    version: int | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class DesiredMark:
    """Version and hash of a device's desired configuration, and whether the broker has acknowledged it."""

    device: str
    version: int
    hash: str
    announced: bool


@dataclass(frozen=True, slots=True)
class SoftwareMark:
    """Which software a device is to run, None for none any more, and whether the broker has acknowledged it."""

    device: str
    software: Json[SoftwareDesired] | None
    announced: bool


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message that has been acknowledged and waits its turn.

    `dealt_at` is the mark of what had been dealt with before, None where a gateway of before kept it.
    """

    topic: str
    payload: bytes
    kept_at: datetime
    dealt_at: datetime | None


@dataclass(frozen=True, slots=True)
class DealtWith:
    """When the last registration and the last report of a device that said anything new were dealt with."""

    device: str
    registered_at: datetime | None
    reported_at: datetime | None


@statement
async def keep_messages(
    database: Database, gateway: str, topics: Sequence[str], payloads: Sequence[bytes], dealt_at: Sequence[datetime]
) -> None:
    """Keep messages that wait their turn at a gateway, one a topic: the newest."""


@statement
async def dealt_with(database: Database, devices: Sequence[str]) -> list[DealtWith]:
    """What was last dealt with of these devices."""


@statement
async def forget_messages(database: Database, older_s: float) -> None:
    """Forget what was kept longer ago, also by gateways that are no more."""


@statement
async def drop_messages(database: Database, gateway: str, topics: Sequence[str]) -> None:
    """Forget those of these topics: they are dealt with, or newer ones are about to be."""


@statement
async def kept_messages(database: Database, gateway: str) -> list[KeptMessage]:
    """What waited as the gateway ended, the oldest first."""


@statement
async def put_gauges(
    database: Database, gateway: str, names: Sequence[str], ofs: Sequence[str], values: Sequence[float]
) -> None:
    """Enter a gateway's newest figures."""


@statement
async def forget_gauges(database: Database) -> None:
    """Drop the figures of gateways that have been gone for a day."""


@statement
async def claim_waiting(database: Database, gateway: str, claim_s: float, limit: int) -> list[Claimed]:
    """Claim configurations that wait, the oldest first."""


@statement
async def release_claims(
    database: Database, gateway: str, device_ids: Sequence[int], versions: Sequence[int | None]
) -> None:
    """End claims, with the version of each device that the broker has acknowledged, None for none."""


@statement
async def claim_software(database: Database, gateway: str, claim_s: float, limit: int) -> list[ClaimedSoftware]:
    """Claim what waits of software, the oldest first."""


@statement
async def release_software(
    database: Database, gateway: str, device_ids: Sequence[int], versions: Sequence[int | None]
) -> None:
    """End claims on software, with the version of each device that the broker has acknowledged, None for none."""


@statement
async def software_devices(database: Database) -> list[str]:
    """The devices that are to run a certain release."""


@statement
async def software_marks(database: Database, devices: Sequence[str]) -> list[SoftwareMark]:
    """What those of these devices are to run of which that was ever said."""


@statement
async def count_waiting(database: Database) -> Waiting:
    """How much waits to be published."""


@statement
async def find_desired(database: Database, device: str) -> DeviceDesired | None:
    """A device by name."""


@statement
async def desired_devices(database: Database) -> list[str]:
    """The devices that have a desired configuration."""


@statement
async def desired_marks(database: Database, devices: Sequence[str]) -> list[DesiredMark]:
    """The marks of those of these devices that have a desired configuration."""


@statement
async def desired_spec_refs(database: Database) -> list[str]:
    """The specs that desired configurations name."""


@statement
async def was_desired(
    database: Database, device_id: int, version: int, content_hash: str, within_s: float | None
) -> bool:
    """Whether a device was to have this once, or was within so many seconds."""


@statement
async def note_superseded(
    database: Database, device_id: int, version: int, content_hash: str, document: Json[Mapping[str, object]],
    author: str,
) -> None:  # fmt: skip
    """Enter into a device's history what was published for it and is no more what it is to have."""


@statement
async def has_report(
    database: Database, device: str, version: int, state: ReportedState, boot: str, at: datetime,
    specs: Json[Mapping[str, str]], probation: bool, watched: Sequence[str] | None, held_back: Sequence[str],
) -> bool:  # fmt: skip
    """Whether a device's report is stored."""


@statement
async def save_report(
    database: Database, device_id: int, version: int, state: ReportedState, reasons: Json[Sequence[object]],
    effective: Json[Mapping[str, object]], specs: Json[Mapping[str, str]], boot: str, at: datetime,
    received_at: datetime, in_force: int | None, probation: bool, watched: Sequence[str] | None,
    held_back: Sequence[str],
) -> None:  # fmt: skip
    """Put a report in the place of the device's last one."""


async def is_reported(database: Database, device: str, report: Reported) -> bool:
    """Whether this very report of a device is stored."""
    return await has_report(
        database, device, report.version, report.state, report.boot, report.at, report.specs,
        report.probation, report.watched, report.held_back or (),
    )  # fmt: skip


async def store_report(connection: Connection, device_id: int, report: Reported) -> None:
    """Keep what a device reports."""
    document = report.model_dump(mode="json", exclude_none=True)
    await save_report(
        connection, device_id, report.version, report.state, document["reasons"], document["effective"], report.specs,
        report.boot, report.at, datetime.now(UTC), report.in_force, report.probation, report.watched,
        report.held_back or (),
    )  # fmt: skip
