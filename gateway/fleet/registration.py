"""Registrations in the store: the device, its meters, what was installed and what left. A repeat changes nothing."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from broker.contract.messages import Registration
from gateway.events import record_event
from gateway.fleet.claims import after, contested, with_behind
from gateway.fleet.meters import KnownMeter, StoredMeter, from_reported, from_stored, is_placed_anew, merged
from gateway.fleet.new_meters import beyond_quota
from gateway.fleet.placement import Snapshot
from gateway.fleet.points import place_meters
from gateway.fleet.store.claims import (
    describe_moves,
    enter_claims,
    hide_claims,
    known_claims,
    newest_read,
    refused_claims,
    wake_claims,
)
from gateway.fleet.store.devices import ensure_device, find_device, note_registration
from gateway.fleet.store.meters import add_meter_events, meters_by_key, remove_meters, upsert_meters
from gateway.fleet.twins import observe_boot, withdraw_swaps
from gateway.principals import SYSTEM
from gateway.quotas import Quotas
from store.quotas import Quota
from store.sql import Connection


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registration did; `touched` are the ids of devices whose configuration may change by it.

    `claimed` are meters of others, which it changes nothing of: they wait (gateway.meter_claims).
    """

    first: bool
    installed: tuple[str, ...]
    removed: tuple[str, ...]
    touched: frozenset[int]
    duplicated: bool = False
    claimed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shown:
    """The meters of a registration that it may speak for; `others` are the rest.

    `taken` are those that their owner gave up, each with the newest that this one told of it.
    """

    meters: list[KnownMeter]
    others: tuple[str, ...]
    taken: Mapping[str, datetime | None] = field(default_factory=dict)


async def register(
    connection: Connection,
    device: str,
    registration: Registration,
    at: datetime,
    quotas: Quotas,
    granted: Mapping[str, datetime] | None = None,
) -> Registered:
    """Enter a registration, received at `at` (UTC), inside the caller's transaction.

    A meter that stands at another device is left alone, but where it was `granted` from a time on, or given up there.
    New ones that the day's quota has no room for are left out.
    """
    known = await find_device(connection, device)
    device_id = await ensure_device(connection, device)
    first = known is None or not known.registered
    twins = await observe_boot(connection, device, device_id, registration, at)
    if twins.other is not None:
        await withdraw_swaps(connection, device, device_id, registration, twins.other)
    # a meter that is shown twice is one: the first counts
    shown = {meter.key: meter for meter in reversed(registration.meters)}
    named = shown.keys() | {meter.parent for meter in registration.meters if meter.parent is not None}
    stored = {one.key: one for one in await meters_by_key(connection, sorted(named))}
    known_meters = [_merge(stored.get(key), from_reported(shown[key])) for key in reversed(shown)]
    split = await _split(connection, device_id, known_meters, stored, granted or {})
    left_out, left_in_place = await _beyond(connection, device, device_id, split.meters, stored, granted or {}, quotas)
    meters = [meter for meter in split.meters if meter.key not in left_out | left_in_place]
    await note_registration(connection, device_id, _document(registration, left_out), at)
    await _enter(connection, device_id, meters, at)
    ports = sorted({meter.port for meter in known_meters if meter.parent is None})
    # while two agents use one id, what one does not see may well stand at the other's port
    gone = [] if twins.doubled else await remove_meters(connection, device_id, list(shown), ports, at)
    since = {key: meter.since for key, meter in shown.items() if meter.since is not None}
    snapshot = Snapshot(device_id, registration.boot, at, since)
    taken = {key: after(read_at, snapshot.since_when(key)) for key, read_at in split.taken.items()}
    await place_meters(connection, replace(snapshot, since=since | taken | dict(granted or {})), meters, gone)
    await describe_moves(connection, list(split.taken), list(split.taken.values()), "given_up", SYSTEM)
    claimed = await _claim(connection, device, snapshot, split.others, quotas)
    await wake_claims(connection, gone)
    stood_at = {one.device_id for key, one in stored.items() if one.device_id is not None and key not in split.others}
    outcome = Registered(
        first=first,
        installed=tuple(meter.key for meter in meters if _is_new(stored.get(meter.key), device_id)),
        removed=tuple(gone),
        touched=frozenset({device_id, *stood_at}),
        duplicated=twins.doubled,
        claimed=split.others,
    )
    await _record(connection, device, device_id, registration, outcome, claimed)
    return outcome


async def _claim(
    connection: Connection, device: str, snapshot: Snapshot, others: Sequence[str], quotas: Quotas
) -> list[str]:
    """Note which meters of others a device shows, and that it shows no more; returns those of which an event is due."""
    known = set(await known_claims(connection, snapshot.device_id, others)) if others else set()
    new = [key for key in others if key not in known]
    beyond = await beyond_quota(connection, device, Quota.CLAIMS, new, quotas)
    claims = [key for key in others if key not in beyond]
    since = [snapshot.since_when(key) for key in claims]
    told = await enter_claims(connection, snapshot.device_id, claims, since, snapshot.at)
    await hide_claims(connection, snapshot.device_id, others)
    return told


async def _split(
    connection: Connection,
    device_id: int,
    shown: Sequence[KnownMeter],
    stored: Mapping[str, StoredMeter],
    granted: Mapping[str, datetime],
) -> _Shown:
    """Part the meters that are another's from the device's own; what stands behind one of those waits with it."""
    keys = {meter.key for meter in shown}
    owners = {key: one.device_id for key, one in stored.items()}
    left = {key for key in keys & contested(owners, granted, device_id) if stored[key].removed_at is not None}
    if left:
        left -= set(await refused_claims(connection, device_id, sorted(left)))
    others = contested(owners, left | granted.keys(), device_id)
    waiting = with_behind(others, {meter.key: meter.parent for meter in shown})
    meters = [meter for meter in shown if meter.key not in waiting]
    taken = sorted(left & {meter.key for meter in meters})
    read = {one.key: one.read_at for one in await newest_read(connection, taken)} if taken else {}
    return _Shown(meters, tuple(meter.key for meter in shown if meter.key in others), read)


def _merge(stored: StoredMeter | None, shown: KnownMeter) -> KnownMeter:
    return merged(None if stored is None else from_stored(stored), shown)


def _is_new(stored: StoredMeter | None, device_id: int) -> bool:
    if stored is None or stored.removed_at is not None:
        return True
    return stored.device_id != device_id or stored.protocol is None


async def _beyond(
    connection: Connection,
    device: str,
    device_id: int,
    meters: Sequence[KnownMeter],
    stored: Mapping[str, StoredMeter],
    granted: Container[str],
    quotas: Quotas,
) -> tuple[set[str], set[str]]:
    """Of the meters that a device may speak for those new ones, and moves of others, that are beyond a day's quota."""
    parents = {meter.key: meter.parent for meter in meters}
    new = [meter.key for meter in meters if meter.key not in stored]
    moved = [
        meter.key
        for meter in meters
        if meter.key in stored and meter.key not in granted and is_placed_anew(stored[meter.key], meter, device_id)
    ]
    left_out = with_behind(await beyond_quota(connection, device, Quota.METERS, new, quotas), parents)
    left_in_place = with_behind(await beyond_quota(connection, device, Quota.PLACEMENTS, moved, quotas), parents)
    return left_out & set(new), (left_out | left_in_place) - set(new)


def _document(registration: Registration, left_out: Container[str]) -> dict[str, object]:
    kept = tuple(meter for meter in registration.meters if meter.key not in left_out)
    return registration.model_copy(update={"meters": kept}).model_dump(mode="json", exclude_none=True, by_alias=True)


async def _enter(connection: Connection, device_id: int, meters: Sequence[KnownMeter], at: datetime) -> None:
    """Enter meters, then once more those behind one of them, which has its row by then: however long the chain."""
    await _upsert(connection, device_id, meters, at)
    entered = {meter.key for meter in meters}
    await _upsert(connection, device_id, [meter for meter in meters if meter.parent in entered], at)


async def _upsert(connection: Connection, device_id: int, meters: Sequence[KnownMeter], at: datetime) -> None:
    if not meters:
        return
    rows = [
        (
            *(one.key, one.parent, one.manufacturer, one.product, one.serial, one.firmware, one.protocol, one.port),
            json.dumps(one.stored_facts()),
        )
        for one in meters
    ]
    await upsert_meters(connection, device_id, at, *(list(column) for column in zip(*rows, strict=True)))


async def _record(
    connection: Connection,
    device: str,
    device_id: int,
    registration: Registration,
    outcome: Registered,
    claimed: Sequence[str],
) -> None:
    if outcome.first:
        detail = {"software": registration.software.version, "hardware": registration.hardware.model}
        await record_event(connection, "device_registered", device=device, detail=detail)
    if outcome.installed:
        await add_meter_events(connection, device_id, "meter_installed", outcome.installed, "info", {})
    if outcome.removed:
        await add_meter_events(connection, device_id, "meter_removed", outcome.removed, "info", {})
    if claimed:
        detail = {
            "reason": "it stands at another device's port",
            "fix": "it goes over once nothing of it comes from there, or by `wattline meter move`",
        }
        await add_meter_events(connection, device_id, "meter_claimed", claimed, "warning", detail)
