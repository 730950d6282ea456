"""What an updater reports: kept, with its history, and told as an event where it matters."""

from typing import Any, Final

import structlog

from broker.contract.software import SoftwareReported, SoftwareState
from gateway.events import record_event
from gateway.quotas import Quotas
from gateway.store import Severity
from gateway.updates.store import (
    StoredReport,
    add_software_history,
    find_software_report,
    has_software_state,
    save_software_report,
    trim_software_history,
)
from store.quotas import Quota
from store.sql import Connection, Database

log = structlog.get_logger()
KEPT: Final = 200
"""States of one device that are kept."""
TOLD: Final[dict[SoftwareState, Severity]] = {"confirmed": "info", "refused": "warning", "rolled_back": "warning"}
"""States that end an update, and how bad they are."""


async def is_repeated(database: Database, device: str, report: SoftwareReported) -> bool:
    """Whether this very report of a device is the one that is kept: a retained one comes again on each connection."""
    return await find_software_report(database, device) == _as_stored(report)


async def take_report(
    connection: Connection, quotas: Quotas, device_id: int, device: str, report: SoftwareReported, size: int
) -> bool:
    """Keep what a device's updater says in place of what it said last; whether that is a state that is new.

    It is entered in the history, and with an event where it ends an update, as far as the device's quota of events has
    room. Each of several gateways takes each report, and one may be behind: what is known stays told once.
    """
    before = await find_software_report(connection, device)
    reasons: list[Any] = report.model_dump(mode="json")["reasons"]
    values = (report.version, report.state, report.release, report.running, reasons, report.octets, report.seconds)
    if not await save_software_report(connection, device_id, *values, report.at, report.memory, report.number):
        log.info("software_report_overtaken", device=device, version=report.version, state=report.state)
        return False
    now = _as_stored(report)
    if now.updater_replaced and (before is None or not before.updater_replaced):
        log.warning("software_updater_replaced", device=device, release=report.release)
        if await quotas.take(connection, device, Quota.EVENTS, size=size):
            detail: dict[str, Any] = {"release": report.release, "running": report.running, "reasons": reasons}
            await record_event(
                connection, "software_updater_replaced", device=device, severity="warning", detail=detail
            )
    if before is not None and (before.version, before.state) == (report.version, report.state):
        return False
    if await has_software_state(connection, device_id, report.version, report.state, report.at):
        return False
    log.info("software_reported", device=device, version=report.version, state=report.state, release=report.release)
    if await quotas.take(connection, device, Quota.EVENTS, size=size):
        await add_software_history(connection, device_id, *values, report.at)
        await trim_software_history(connection, device_id, KEPT)
        if (severity := TOLD.get(report.state)) is not None:
            detail = {"version": report.version, "release": report.release, "running": report.running}
            detail |= {"reasons": reasons} if reasons else {}
            event = f"software_{report.state}"
            await record_event(connection, event, device=device, severity=severity, detail=detail)
    return True


def _as_stored(report: SoftwareReported) -> StoredReport:
    reasons = report.model_dump(mode="json")["reasons"]
    return StoredReport(report.version, report.state, report.release, report.running, report.at, reasons)
