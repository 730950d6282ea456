"""What updaters report, in the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pydantic import Json

from broker.contract.software import SoftwareState
from store.sql import Affected, Database, statement

SoftwareStanding = Literal[
    "never_reported", "unreported", "refused", "waiting", "fetching", "trial", "confirmed", "rolled_back"
]


UPDATER: Final = "updater"
"""The field of a report's reason that tells of the updater itself."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """What a device's updater said last, as far as it tells one report from another."""

    version: int
    state: SoftwareState
    release: str
    running: str
    at: datetime
    reasons: Json[list[dict[str, object]]]

    @property
    def updater_replaced(self) -> bool:
        """Whether it tells that the updater before goes on, as the newer one did not keep running."""
        return any(one.get("field") == UPDATER for one in self.reasons)


@dataclass(frozen=True, slots=True)
class DeviceSoftware:
    """The software of a device; `standing` is None where nothing is desired, what was never reported is None too."""

    device_id: int
    device: str
    online: bool | None
    desired: str | None
    desired_version: int | None
    source: str | None
    author: str | None
    desired_at: datetime | None
    running: str | None
    reported_version: int | None
    reported_state: SoftwareState | None
    reported_release: str | None
    reasons: Json[list[dict[str, object]]] | None
    octets: int | None
    seconds: float | None
    reported_at: datetime | None
    since: datetime | None
    standing: SoftwareStanding | None


@dataclass(frozen=True, slots=True)
class ReleaseCount:
    """How many devices run a release, are to run one, and how that stands; None where it is not known or desired."""

    running: str | None
    desired: str | None
    standing: SoftwareStanding | None
    devices: int


@dataclass(frozen=True, slots=True)
class PastReport:
    """A state that software of a device came into."""

    id: int
    received_at: datetime
    version: int
    state: SoftwareState
    release: str
    running: str
    reasons: Json[list[dict[str, object]]]
    octets: int
    seconds: float
    at: datetime


@statement
async def find_software_report(database: Database, device: str) -> StoredReport | None:
    """What a device's updater said last."""


@statement
async def save_software_report(
    database: Database, device_id: int, version: int, state: SoftwareState, release: str, running: str,
    reasons: Json[Sequence[object]], octets: int, seconds: float, at: datetime, memory: str, number: int,
) -> Affected:  # fmt: skip
    """Put a report in the place of the device's last one, unless that is newer."""


@statement
async def has_software_state(
    database: Database, device_id: int, version: int, state: SoftwareState, at: datetime
) -> bool:
    """Whether this very report is in a device's history."""


@statement
async def add_software_history(
    database: Database, device_id: int, version: int, state: SoftwareState, release: str, running: str,
    reasons: Json[Sequence[object]], octets: int, seconds: float, at: datetime,
) -> None:  # fmt: skip
    """Enter a state that software came into."""


@statement
async def trim_software_history(database: Database, device_id: int, kept: int) -> None:
    """Forget all but the newest states of a device."""


@statement
async def software_of(database: Database, device: str) -> DeviceSoftware | None:
    """The software of one device."""


@statement
async def software_page(
    database: Database, after: str, device_ids: Sequence[int] | None, running: str | None, desired: str | None,
    standing: SoftwareStanding | None, limit: int,
) -> list[DeviceSoftware]:  # fmt: skip
    """Devices after a name, by name, of these where some are given."""


@statement
async def release_counts(database: Database, device_ids: Sequence[int] | None) -> list[ReleaseCount]:
    """Which releases run where, of these devices where some are given."""


@statement
async def software_history(database: Database, device: str, before: int, limit: int) -> list[PastReport]:
    """States that software of a device came into, below an id, the newest first."""
