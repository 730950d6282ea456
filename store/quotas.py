"""What one device may use of the platform: the limits, one policy for ingestors and gateways, and the days' sums."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from store.sql import Connection, Database, statement

MIB: Final = 2**20
ROW_BYTES: Final = 512
"""What a row of quarantine counts beside its bytes: many small ones are no less of a burden."""


class Quota(StrEnum):
    """What is counted; the first three are shares of the present, the others sums of a UTC day."""

    MESSAGES = "messages"
    BYTES = "bytes"
    CONTROL = "control"
    METERS = "new_meters"
    CLAIMS = "new_claims"
    PLACEMENTS = "placements"
    CONFIGURATIONS = "configurations"
    SERIES = "new_series"
    EVENTS = "events"
    QUARANTINE = "quarantine_bytes"
    FRAMES = "frame_bytes"


Rate = Annotated[float, Field(gt=0, le=1e9)]
Count = Annotated[int, Field(ge=1, le=2**40)]
Mib = Annotated[int, Field(ge=1, le=2**30)]


class QuotaLimits(BaseModel):
    """Nested settings of ingestor and gateway, written QUOTA__EVENTS_PER_DAY and so on; give both the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages_per_s: Rate = 250
    """Messages of one device a second while others wait. An agent's backlog takes 200 at most."""
    kib_per_s: Rate = 512
    """Payload of one device a second, in KiB, while others wait."""
    burst_s: Annotated[float, Field(ge=1, le=86400)] = 60
    """So many seconds' worth of both may come at once."""
    control_per_min: Rate = 60
    """Registrations and reports of one device a minute, and ten times as many replies; as many may come at once."""
    new_meters_per_day: Count = 300
    """Meters that one device may bring in; a registration names 256 at most."""
    new_claims_per_day: Count = 300
    """Meters of others that one device may register, and so claim."""
    placements_per_day: Count = 2_000
    """Times that a known meter of one device comes back, or to another port or parent."""
    configurations_per_day: Count = 500
    """Times that what one device registers gives it another configuration."""
    new_series_per_day: Count = 20_000
    """OBIS codes of all its meters that one device may bring in."""
    events_per_day: Count = 5_000
    """Events of one device."""
    quarantine_mib_per_day: Mib = 32
    """Payloads of one device that can't be taken and are kept, in MiB, and half a KiB for each."""
    frames_mib_per_day: Mib = 1024
    """Raw frames of one device that are kept, in MiB, and half a KiB for each."""

    def days(self) -> dict[Quota, int]:
        """The limits of a day, in pieces or bytes."""
        return {
            Quota.METERS: self.new_meters_per_day,
            Quota.CLAIMS: self.new_claims_per_day,
            Quota.PLACEMENTS: self.placements_per_day,
            Quota.CONFIGURATIONS: self.configurations_per_day,
            Quota.SERIES: self.new_series_per_day,
            Quota.EVENTS: self.events_per_day,
            Quota.QUARANTINE: self.quarantine_mib_per_day * MIB,
            Quota.FRAMES: self.frames_mib_per_day * MIB,
        }


class Noted(NamedTuple):
    """What a device has used of a quota on a day, by all who count; '' is what nobody's device sent."""

    day: date
    device: str
    quota: str
    used: int


@statement
async def note_quotas(
    database: Database, days: Sequence[date], devices: Sequence[str], quotas: Sequence[str], used: Sequence[int],
    cut: Sequence[int], cut_bytes: Sequence[int], allowed: Sequence[int],
) -> list[Noted]:  # fmt: skip
    """Add to the sums of days; devices that are not known yet are left out."""


@statement
async def tell_quotas(database: Database) -> list[str]:
    """Enter an event of each device and quota that is over for the first time of its day; returns the devices."""


@statement
async def take_quota(
    connection: Connection, device: str, quota: str, wanted: int, allowed: int, whole: bool, size: int
) -> int:
    """Use so much of a day's quota, or what is left of it; of a `whole` all or nothing. Returns how much is granted.

    `size` is the bytes that are not kept where something is cut. Devices that are not known yet share one quota.
    """


@statement
async def prune_quotas(connection: Connection) -> None:
    """Forget days long gone."""
