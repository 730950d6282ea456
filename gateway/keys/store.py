"""Sealed keys of meters, and what devices are given of them, in the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.sql import Affected, Connection, Database, statement


@dataclass(frozen=True, slots=True)
class KeyMeter:
    """A meter that a key is set for, and the device whose it is."""

    id: int
    key: str
    device_id: int | None
    device: str | None
    spec: str | None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What may be told of a meter's key; `state` is how it stands with the meter's device.

    `given`: the broker has it for the device; `waiting`: it will; `withheld`: the meter went to another device than the
    one that it was set for, and nobody has said that this one may have it; `no_certificate`: the device has none that
    it could be sealed to; `too_many`: more meters stand at the device's ports than it is given keys for.
    """

    meter: str
    device: str | None
    kinds: list[str]
    fingerprint: str
    set_by: str
    set_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class KeylessMeter:
    """A meter in place whose device says that it has no key for it, or a wrong one."""

    meter: str
    device: str | None
    said: str


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key as it is kept."""

    meter_id: int
    meter: str
    master: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A device that is to be given other keys than it was, and what it can open."""

    device_id: int
    device: str
    content: str
    meter_ids: list[int]
    version: int
    recipient: bytes | None
    public_key: bytes | None
    csr: bytes | None


@dataclass(frozen=True, slots=True)
class Unannounced:
    """A message that the broker has not acknowledged; without a payload none is to be there."""

    device_id: int
    device: str
    version: int
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is to be retained for a device."""

    version: int
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A source's secret as it lies in the store."""

    name: str
    secret: bytes
    master: str


@statement
async def key_meter(database: Database, meter: str) -> KeyMeter | None:
    """A meter by its key."""


@statement
async def put_key(
    database: Database, meter_id: int, kinds: Sequence[str], sealed: bytes, master: str, fingerprint: str,
    device_id: int, set_by: str,
) -> None:  # fmt: skip
    """Keep a meter's key in the place of the one before."""


@statement
async def drop_key(database: Database, meter_id: int) -> Affected:
    """Forget a meter's key."""


@statement
async def release_key(database: Database, meter_id: int, device_id: int) -> Affected:
    """Let this device have a meter's key."""


@statement
async def key_states(database: Database, meter: str | None) -> list[KeyState]:
    """What is set, of one meter or of all."""


@statement
async def keyless_meters(database: Database) -> list[KeylessMeter]:
    """Meters that want a key."""


@statement
async def sealed_keys(database: Database, meter_ids: Sequence[int] | None) -> list[SealedKey]:
    """The keys of these meters, or all, locked against changes until the transaction's end."""


@statement
async def reseal_key(database: Database, meter_id: int, sealed: bytes, master: str, fingerprint: str) -> None:
    """Keep the same key sealed by another master key."""


@statement
async def lock_deliveries(database: Database) -> None:
    """Be alone, in this transaction, in deciding what devices are given."""


@statement
async def due_deliveries(database: Database) -> list[Due]:
    """Devices whose message is not what they are to be given."""


@statement
async def put_delivery(
    database: Database, device_id: int, version: int, content: str, recipient: bytes | None, payload: bytes | None,
    meters: Sequence[str],
) -> None:  # fmt: skip
    """Enter the message that a device is to be given."""


@statement
async def unannounced_deliveries(database: Database) -> list[Unannounced]:
    """Messages that the broker may not have."""


@statement
async def announced_delivery(database: Database, device_id: int, version: int) -> None:
    """Note that the broker has this version; where another one is wanted by now, that is published after it."""


@statement
async def find_delivery(database: Database, device: str) -> Delivered | None:
    """What is to be retained for a device."""


@statement
async def forget_announced(database: Database) -> None:
    """A broker that may have lost all: everything is published again."""


@statement
async def redo_delivery(database: Database, device: str) -> None:
    """Have a device's message made anew, as the broker holds another one."""


@statement
async def put_secret(connection: Connection, name: str, secret: bytes, master: str) -> None:
    """Replace a source's sealed secret."""


@statement
async def sealed_secrets(connection: Connection) -> list[SealedSecret]:
    """The secrets of all sources, held for this transaction."""
