"""What each device is to be given of meters' keys, sealed to its certificate's key; decided in one transaction."""

import time

import structlog

from broker.contract.keys import MOST_METERS, DeviceKeys, KnownKeys, SealedKeys
from broker.errors import ContractError
from broker.sealed_box import seal
from gateway.enrolment.requests import spki_of
from gateway.events import record_event
from gateway.keys.store import Due, SealedKey, due_deliveries, lock_deliveries, put_delivery, sealed_keys
from gateway.metrics import Metrics
from store.meter_keys import MasterKeys, NotOpenedError
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
TOLD_MAX = 20
"""Meters that an event names."""


async def seal_due(pool: Pool, master: MasterKeys, metrics: Metrics) -> int:
    """Seal anew what devices are to be given, where that is not what they were; of how many. Raises DATABASE_ERRORS.

    Of two gateways one does it at a time. The keys are in memory for that moment alone.
    """
    async with pool.acquire() as connection, connection.transaction():
        await lock_deliveries(connection)
        due = await due_deliveries(connection)
        for one in due:
            await _seal(connection, one, master, metrics)
    return len(due)


async def _seal(connection: Connection, due: Due, master: MasterKeys, metrics: Metrics) -> None:
    # above what a database of before a restore had said, so that the device does not take it for an old one
    version = max(due.version + 1, int(time.time() * 1000))
    keys = await _opened(connection, due, master, metrics)
    message = DeviceKeys(device=due.device, version=version, meters=keys)
    payload, reason = _sealed(due, message)
    await put_delivery(connection, due.device_id, version, due.content, due.recipient, payload, sorted(keys))
    metrics.key_deliveries.labels("sealed" if payload else "no_certificate").inc()
    if payload is None and keys:
        fix = "let the device enrol, so that it has a certificate; until then the platform decodes its frames"
        detail = {"meters": sorted(keys), "reason": reason, "fix": fix}
        await record_event(connection, "meter_keys_not_given", device=due.device, severity="warning", detail=detail)
    log.info("meter_keys_sealed", device=due.device, version=version, meters=len(keys), sealed=payload is not None)


async def _opened(connection: Connection, due: Due, master: MasterKeys, metrics: Metrics) -> dict[str, KnownKeys]:
    """The keys of a device's meters; one that can't be opened is left out, told, and not all others' fault."""
    found = dict[str, KnownKeys]()
    left_out = list[str]()
    for one in await sealed_keys(connection, due.meter_ids):
        if len(found) == MOST_METERS:
            left_out.append(one.meter)
        elif (keys := await _keys_of(connection, due, one, master, metrics)) is not None:
            found[one.meter] = keys
    if left_out:
        meters = MOST_METERS + len(left_out)
        metrics.key_deliveries.labels("too_many").inc()
        log.error("meter_keys_too_many", device=due.device, meters=meters, most=MOST_METERS)
        fix = f"a device is given the keys of {MOST_METERS} meters: move the others to another device"
        detail = {"meters": meters, "most": MOST_METERS, "left_out": left_out[:TOLD_MAX], "fix": fix}
        await record_event(connection, "meter_keys_too_many", device=due.device, severity="error", detail=detail)
    return found


async def _keys_of(
    connection: Connection, due: Due, sealed: SealedKey, master: MasterKeys, metrics: Metrics
) -> KnownKeys | None:
    try:
        return KnownKeys(**master.open(sealed.meter, sealed.master, sealed.sealed))
    except NotOpenedError as error:
        metrics.key_deliveries.labels("not_opened").inc()
        log.error("meter_key_not_opened", meter=sealed.meter, reason=str(error))  # noqa: TRY400 - no traceback
        of = {"device": due.device, "meter": sealed.meter}
        await record_event(connection, "meter_key_not_opened", severity="error", detail={"reason": str(error)}, **of)
        return None


def _sealed(due: Due, message: DeviceKeys) -> tuple[bytes | None, str]:
    """The message for the broker, or why there is none."""
    public = due.public_key or (spki_of(due.csr) if due.csr else None)
    if due.recipient is None or public is None:
        return None, "the device logs in by a password: there is no key that it could be sealed to"
    try:
        box = seal(public, message.payload(), DeviceKeys.context(due.device, message.version))
    except ContractError as error:
        return None, f"the certificate's key: {error.reason}"
    return SealedKeys(version=message.version, to=due.recipient.hex(), sealed=box).payload(), ""
