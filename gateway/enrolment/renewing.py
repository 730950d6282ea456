"""Whether a certificate is renewed by the one before: who holds a copy of it is found out, and waits for a person."""

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.contract.identity import device_of
from gateway.enrolment.requests import Asked
from gateway.enrolment.rules import Succession, Why, fault_of_age, fault_of_renewal
from gateway.enrolment.store import (
    Renewing,
    enter_successor,
    find_end,
    find_enrolment,
    find_successor,
    refusal_told,
)
from gateway.enrolment.waiting import wait_for_person
from gateway.events import record_event
from gateway.faults import Refusal, forbidden
from store.sql import Connection

log = structlog.get_logger()
FIX: Final = "ask for a person's yes: `wattline enrol list`"
FIX_ENDED: Final = "enrol by a claim, and a person lets it in: `wattline enrol approve`"


async def decide_renewal(
    connection: Connection, shown: Renewing | None, asked: Asked, address: str, grace: timedelta
) -> str | Refusal:
    """The login that a certificate is renewed for, or why it is not, which the caller raises once all is entered.

    Of two that ask by one key for different next ones, the second waits for a person. Raises Refusal where there is no
    room to wait.
    """
    if shown is None or device_of(shown.identity) != asked.device:
        return forbidden("certificate", "it is not one that this device was given", "enrol by a claim")
    # a person may have let this one in meanwhile, under a login of its own
    before = await find_enrolment(connection, asked.device, asked.hardware, asked.spki_sha256)
    if before is not None and before.identity is not None and before.live and before.identity != shown.identity:
        if fault := await _fault_of_let_in(connection, before.identity, asked, grace):
            await _tell(connection, shown.identity, asked, fault, address)
            return forbidden("certificate", fault, FIX)
        return before.identity
    fault = fault_of_renewal(
        ended_at=shown.not_after, now=datetime.now(UTC), grace=grace, live=shown.live, hardware=shown.hardware,
        asked_hardware=asked.hardware,
    )  # fmt: skip
    successor = await find_successor(connection, shown.identity, shown.spki_sha256)
    after = await find_successor(connection, shown.identity, asked.spki_sha256)
    keys = Succession(shown.spki_sha256, asked.spki_sha256, successor, after)
    why = _suspicion(shown, asked, keys)
    if why is not None and shown.live and before is None:
        await wait_for_person(connection, asked, why, address, None)
    elif (fault or why) and (before is None or before.state == "issued"):
        # of one that waits or that a person refused it is known already
        await _tell(connection, shown.identity, asked, fault or str(why), address)
    if fault or why:
        return forbidden("certificate", fault or str(why), FIX if shown.live else FIX_ENDED)
    if keys.asked != keys.shown:
        await enter_successor(connection, shown.identity, keys.shown, keys.asked)
    return shown.identity


async def see_current(connection: Connection, identity: str, asked: Asked) -> None:
    """See that no other key has followed the one that asks for a login's certificate again. Raises Refusal."""
    if fault := await _fault_of_key(connection, identity, asked):
        raise forbidden("enrolment", fault, "a new key asks anew")


async def _fault_of_key(connection: Connection, identity: str, asked: Asked) -> str:
    followed = await find_successor(connection, identity, asked.spki_sha256) is not None
    return f"another key of {identity} has followed this one" if followed else ""


async def _fault_of_let_in(connection: Connection, identity: str, asked: Asked, grace: timedelta) -> str:
    """Why a key that a person let in is not given its certificate by the one that it asked with, empty where it is.

    That one has ended by the person's yes and proves no more than who asked: it serves until the first certificate has
    arrived, and never longer than this might renew itself.
    """
    if fault := await _fault_of_key(connection, identity, asked):
        return fault
    ended_at = await find_end(connection, identity, asked.spki_sha256)
    return fault_of_age(ended_at, datetime.now(UTC), grace) if ended_at else ""


async def _tell(connection: Connection, identity: str, asked: Asked, fault: str, address: str) -> None:
    """Tell of a renewal that is refused for good, once an hour for a device, as a copy may ask without end."""
    if await refusal_told(connection, asked.device):
        return
    detail = {
        "device": asked.device, "identity": identity, "hardware": asked.hardware, "address": address, "reason": fault,
        "fix": f"where that is a copy of its key: wattline device revoke {asked.device}, and enrol the right one anew",
    }  # fmt: skip
    await record_event(connection, "renewal_refused", device=asked.device, severity="warning", detail=detail)
    log.warning("renewal_refused", **detail)


def _suspicion(shown: Renewing, asked: Asked, keys: Succession) -> Why | None:
    if shown.hardware not in (None, asked.hardware):
        return Why.OTHER_HARDWARE
    return Why.SUCCEEDED if keys.forked else None
