"""Who waits for a person's yes: entered and told once, and never so many that others find no room."""

from typing import Final

import structlog

from broker.runtime.http_bounds import party
from gateway.enrolment.requests import Asked
from gateway.enrolment.rules import Claim, Why, fault_of_waiting
from gateway.enrolment.store import add_enrolment, list_waiting
from gateway.events import record_event
from gateway.faults import too_many
from store.sql import Connection

log = structlog.get_logger()
FULL_RETRY_S: Final = 600
"""When to ask again where nobody more may wait."""


async def enter(connection: Connection, asked: Asked, claim: str | None, address: str, reason: str | None) -> int:
    """Enter what is asked for; returns its number."""
    return await add_enrolment(
        connection, asked.device, asked.hardware, dict(asked.facts), asked.spki_sha256, asked.der, claim, address,
        reason,
    )  # fmt: skip


async def wait_for_person(connection: Connection, asked: Asked, why: Why, address: str, claim: Claim | None) -> int:
    """Have one more wait, and tell of it; returns its number. Raises Refusal where there is no room."""
    name = claim.name if claim else None
    rows = await list_waiting(connection, asked.device, name)
    from_here = sum(row.waiting for row in rows if party(row.address) == party(address))
    if fault := fault_of_waiting(claim, sum(row.of_device for row in rows), from_here):
        log.warning("enrolment_list_full", device=asked.device, address=address, claim=name, reason=fault)
        raise too_many(fault, FULL_RETRY_S)
    number = await enter(connection, asked, name, address, str(why))
    detail = {
        "id": number, "device": asked.device, "hardware": asked.hardware, "reason": str(why), "address": address,
        "claim": name, "fix": f"wattline enrol approve {number}, or refuse",
    }  # fmt: skip
    await record_event(connection, "enrolment_waiting", device=asked.device, severity=why.severity, detail=detail)
    log.warning("enrolment_waiting", **detail)
    return number
