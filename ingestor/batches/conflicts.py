"""Other values at times that are taken: found where readings are staged, kept in quarantine, and recorded as events."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from broker.contract.messages import Readings
from broker.contract.topics import Address, Kind
from broker.errors import ContractError
from ingestor.batches import quarantine_rows as quarantine
from ingestor.batches.batch import Received
from ingestor.batches.points import point
from ingestor.batches.records import Stored, cleaned
from ingestor.batches.store import Conflict, find_conflicts, find_devices, record_event, staged_span
from ingestor.batches.value_checks import Refused
from store.sql import Connection

EVENT: Final = "value_conflict"
Place = tuple[datetime, str, str, str]
"""Time, meter, canonical code and unit."""


async def find(connection: Connection) -> list[Conflict]:
    """Those among the readings that are staged in this transaction."""
    staged = await staged_span(connection)
    return await find_conflicts(connection, staged.since, staged.until)


async def record(connection: Connection, conflicts: list[Conflict], stored: Iterable[Stored]) -> None:
    """Enter an event for each meter that has conflicts; the database takes the same of a meter once an hour."""
    devices = {one.meter_id: one.device for one in stored}
    ids = dict(await find_devices(connection, [name for name in devices.values() if name is not None]))
    first = {one.meter_id: one for one in reversed(conflicts)}
    for meter_id, one in sorted(first.items()):
        detail: dict[str, Any] = {"meter": one.meter, "at": one.at.isoformat(), "code": one.obis}
        detail |= {"value": one.value, "kept": one.kept, "values": sum(meter_id == each.meter_id for each in conflicts)}
        device_id = ids.get(devices.get(meter_id) or "")
        await record_event(connection, device_id, meter_id, EVENT, "warning", cleaned(detail))


def explain(
    client_id: str, received: Iterable[Received], conflicts: list[Conflict], take_apart: Callable[[str], Address]
) -> Iterator[tuple[Received, Stored]]:
    """The rows for quarantine: of each message the samples that conflict, as a readings message of their own."""
    found: dict[Place, dict[float, Conflict]] = {}
    for one in conflicts:
        found.setdefault((one.at, one.meter, one.obis, one.unit), {})[one.value] = one
    meters = {one.meter: one.meter_id for one in conflicts}
    for each in received:
        message, device = _readings(each, take_apart)
        if message is None or message.meter not in meters:
            continue
        refused = _conflicting(message, found)
        if refused.samples:
            row = quarantine.part(client_id, each, message, quarantine.VALUE_CONFLICT, refused, device)
            yield each, replace(row, meter_id=meters[message.meter])


def _readings(received: Received, take_apart: Callable[[str], Address]) -> tuple[Readings | None, str]:
    try:
        address = take_apart(received.delivery.topic)
        return (Readings.parse(received.delivery.payload) if address.kind is Kind.READINGS else None), address.device
    except ContractError:
        return None, ""


def _conflicting(message: Readings, found: dict[Place, dict[float, Conflict]]) -> Refused:
    refused, units = Refused(), message.units or {}
    for number, sample in enumerate(message.samples):
        values: dict[str, float] = {}
        kept = []
        for code, value in sample.values.items():
            try:
                what = point(code, units.get(code))
            except ContractError:
                continue
            one = found.get((sample.at, message.meter, what.obis, what.unit), {}).get(value)
            if one is not None:
                values[code] = value
                kept.append(f"{code} is {value:.15g} here and was {one.kept:.15g}")
        if values:
            detail = f"samples.{number}.at: of {sample.at.isoformat()} there are other values: {', '.join(kept)}"
            refused.add(sample.model_copy(update={"values": values}), detail)
    return refused
