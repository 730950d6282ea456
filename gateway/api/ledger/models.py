"""What the API says of the ledger: figures by device and boot, what is missing, and what is there."""

from datetime import timedelta
from typing import Final

from pydantic import Field

from broker.contract.messages import At
from gateway.models import ApiModel, Instant, PageQuery

LONGEST: Final = timedelta(days=1)
"""Of the ledger itself an answer reads so much at most: a day of a large fleet is tens of millions of rows."""


class LedgerQuery(PageQuery):
    """Which part of the ledger, by the time of receipt: `from` <= received < `to`."""

    start: Instant | None = Field(default=None, alias="from", description="24 hours before `to` without it.")
    end: Instant | None = Field(default=None, alias="to", description="Now without it.")
    device: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="Only of this device.")


class DeviceLedgerQuery(PageQuery):
    """Which boots of a device: of which something came in `from` <= received < `to`."""

    start: Instant | None = Field(default=None, alias="from", description="24 hours before `to` without it.")
    end: Instant | None = Field(default=None, alias="to", description="Now without it.")


class DeliveryFigures(ApiModel):
    """Messages of a device, as summed up until some seconds ago; docs/STORE.md says what each word means."""

    device: str
    messages: int = Field(description="Distinct ones.")
    lost: int = Field(description="Numbers that have not come.")
    repeated: int
    late: int
    healed: int = Field(description="Late ones that came only as the device sent them again.")
    resent: int
    implausible: int = Field(description="Deliveries by whose number nothing is reckoned.")


class LedgerPage(ApiModel):
    """Figures of devices by name; only of those of which something came."""

    items: tuple[DeliveryFigures, ...]
    next: str | None


class BootFigures(ApiModel):
    """Messages of one start of a device's agent, of all its time; null where it is older than these counts."""

    device: str
    boot: str
    first_at: At | None = Field(description="Receipt of its first message.")
    heard_at: At = Field(description="Receipt of the newest, or of what reported it where nothing came.")
    last_seq: int = Field(description="The highest number that came or was reported.")
    messages: int | None
    lost: int
    repeated: int | None
    late: int | None
    healed: int | None
    resent: int | None
    ended_seq: int | None = Field(description="Its last number, as the next boot reported; null where none has.")
    ended_at: At | None = Field(description="When that was reported.")


class BootPage(ApiModel):
    """Boots by device and name."""

    items: tuple[BootFigures, ...]
    next: str | None


class Hole(ApiModel):
    """Numbers of a boot that have not come, both ends among them."""

    device: str
    boot: str
    low: int
    high: int
    opened_at: At = Field(description="Receipt of what came, or was reported, in their place.")
    lost: bool = Field(description="False before the first number heard of a boot: may be older than the ledger.")


class HolePage(ApiModel):
    """What is missing, by device, boot and number."""

    items: tuple[Hole, ...]
    next: str | None


class Run(ApiModel):
    """Numbers that the ledger holds without a break, both ends among them."""

    device: str
    boot: str
    low: int
    high: int
    first_at: At
    last_at: At


class RunPage(ApiModel):
    """What the ledger holds of a stretch of at most a day, by device, boot and number."""

    items: tuple[Run, ...]
    next: str | None
