"""What is stored in one transaction, and the deliveries that are acknowledged after it."""

import re
import time
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from broker.contract.messages import EventMessage, Frames, Readings
from broker.contract.topics import Address, Kind
from broker.mqtt.session import Inbound
from ingestor.batches.meter import Meter
from ingestor.batches.records import DeviceEvent, DeviceStatus, Stored
from ingestor.batches.rows import DAY_US, READING, READING_BYTES, ledger_row, micros
from store.codes import KIND_CODES
from store.quotas import Quota

_COMPARED: Final = re.compile(r"\d+-\d+:[12]\.(5|29)\.0")
"""Intervals of energy or mean power, of which upkeep compares days with the registers; its query has it, too."""
_DAYS: Final = 73_049
"""From 2000 until 2200, as the table of days to be compared has them."""

Confirmed: TypeAlias = tuple[str, str, int]
"""Device, boot and seq of a message that a receipt may name."""


@dataclass(slots=True, eq=False)
class Received:
    """A delivery with its receive time; `doubtful` if it may be the repeat of one that was stored but not acked.

    `charged` says which of its device's quotas of the day have been charged for it, once for all, and `cut` that one
    was used up, so that nothing of it is stored.
    """

    delivery: Inbound
    received_us: int
    doubtful: bool
    charged: frozenset[Quota] = frozenset()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A readable message whose names are not in memory yet."""

    received: Received
    address: Address
    message: Readings | Frames | EventMessage


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What the ledger enters for a message in quarantine: it carried nothing that is stored, but was not lost."""

    address: Address
    received_us: int
    boot: str
    seq: int


@dataclass(slots=True)
class Batch:
    """Messages to be stored together.

    `fresh` and `repeats` are readings as rows.READING packs them, `ledger` as rows.ledger_row does. Rows in `repeats`
    may well be in the table already: the meter just sent another sample of that time, the message comes again, or its
    device has repeated others of late. They are staged, which all others are spared by it.
    """

    received: list[Received] = field(default_factory=list)
    deliveries: list[Inbound] = field(default_factory=list)
    """All that are acknowledged with it, in their order; those of which nothing is stored have no payload any more."""
    payload_bytes: int = 0
    opened_at_s: float = field(default_factory=time.monotonic)
    fresh: bytearray = field(default_factory=bytearray)
    samples: list[tuple[int, int, bytes]] = field(default_factory=list)
    """More of the same, by meter, time and packed rows, so that they can be sorted; `sampled_rows` in all."""
    sampled_rows: int = 0
    repeats: bytearray = field(default_factory=bytearray)
    ledger: bytearray = field(default_factory=bytearray)
    ledger_rows: int = 0
    newest_us: int | None = None
    waiting: list[Waiting] = field(default_factory=list)
    stored: dict[object, Stored] = field(default_factory=dict)
    events: dict[tuple[int, str, int], DeviceEvent] = field(default_factory=dict)
    statuses: dict[str, tuple[Received, DeviceStatus]] = field(default_factory=dict)
    boot_ends: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """Last number and time of receipt, by device and boot, as a later boot of the device tells of it."""
    seen: dict[int, int] = field(default_factory=dict)
    salvaged: list[Salvaged] = field(default_factory=list)
    foreign: dict[int, set[str]] = field(default_factory=dict)
    """By device the meters of others that it spoke of."""
    profile_days: dict[tuple[int, int], int] = field(default_factory=dict)
    """Times of receipt by meter and day (since 2000, UTC) of intervals of energy that came from a meter's memory."""
    remembered_days: set[tuple[int, int]] = field(default_factory=set)
    """Meters and days (since 2000, UTC) of all readings that came from a meter's memory."""
    device_ids: dict[str, int] = field(default_factory=dict)
    """The ids of the devices that `stored` and `statuses` name, taken once these are complete."""
    confirmed: list[Confirmed] = field(default_factory=list)
    """All whose boot and seq can be read: once the batch is committed they get a receipt."""
    withheld: set[Confirmed] = field(default_factory=set)
    """Those of them that get none, so that their devices keep them: something of them was over a quota."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Messages by kind, for the metrics."""
    generation: int = 0
    """Of the names by which its first message was read."""

    def let_go(self, delivery: Inbound) -> None:
        """Take a delivery of which nothing is stored: it is acknowledged in its turn, and its sender keeps it."""
        # it may be one of thousands that are large
        delivery.payload = b""
        self.deliveries.append(delivery)

    def receipts(self) -> list[Confirmed]:
        """What devices may forget once this is committed."""
        return [one for one in self.confirmed if one not in self.withheld] if self.withheld else self.confirmed

    def count(self, kind: str) -> None:
        """Note one more message of a kind."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def add_rows(self, fresh: bytearray, repeats: bytearray, newest_us: int) -> None:
        """Take packed readings, the newest of which is of this time."""
        self.fresh += fresh
        self.repeats += repeats
        if self.newest_us is None or newest_us > self.newest_us:
            self.newest_us = newest_us

    def note_profile(self, received: Received, meter: Meter, rows: bytes | bytearray) -> None:
        """Note the days of readings from a meter's memory; an interval that ends at midnight is of the day before.

        `rows` are those that are stored, packed: what is refused says nothing of any day.
        """
        compared = {series for (obis, _), series in meter.points.items() if _COMPARED.fullmatch(obis)}
        for row in READING.iter_unpack(rows):
            day, begun = (row[2] - 1) // DAY_US, row[2] // DAY_US
            if not 0 <= day <= begun < _DAYS:
                continue
            self.remembered_days |= {(meter.id, day), (meter.id, begun)}
            if row[6] in compared:
                self.profile_days[meter.id, day] = received.received_us

    def add_ledger(
        self,
        received: Received,
        kind: Kind,
        message: Readings | Frames | EventMessage,
        device_id: int,
        meter_id: int | None,
        rows: int,
        newest_us: int | None,
        *,
        kept: bool = True,
    ) -> None:
        """Enter a message into the ledger; `rows` is what it carried, stored or not.

        One of which something is not `kept` comes over and over until it is: it is entered with its first delivery.
        """
        self.seen[device_id] = received.received_us
        if message.resent is not None and not kept:
            return
        spec = message.spec if isinstance(message, Readings) else None
        self.ledger += ledger_row(
            received.received_us,
            newest_us,
            message.seq,
            device_id,
            meter_id,
            rows,
            KIND_CODES[kind],
            message.boot,
            spec,
            message.resent,
        )
        self.ledger_rows += 1

    def add_stored(self, stored: Stored) -> None:
        """Take a row for quarantine; one delivery that came twice into this batch is one row."""
        self.stored[stored.delivery if stored.doubtful else len(self.stored)] = stored

    def days(self) -> set[int]:
        """The days of its readings, by UTC since 2000, also of those whose names are not known yet."""
        found = {at_us // DAY_US for _, at_us, _ in self.samples}
        for rows in (self.fresh, self.repeats):
            found.update(row[2] // DAY_US for row in READING.iter_unpack(rows))
        for one in self.waiting:
            if isinstance(one.message, Readings):
                found.update(micros(sample.at) // DAY_US for sample in one.message.samples)
        return found

    @property
    def rows(self) -> int:
        """Readings in it."""
        return self.sampled_rows + (len(self.fresh) + len(self.repeats)) // READING_BYTES

    @property
    def readings(self) -> bytes:
        """All readings in it, packed, those that are likely in the table last."""
        return b"".join((self.fresh, *(rows for _, _, rows in self.samples), self.repeats))
