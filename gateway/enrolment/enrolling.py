"""Enrolments as they come in and are decided: each decision is one transaction, and a certificate follows it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from cryptography import x509

from broker.contract.identity import device_of
from gateway.credentials.store import is_live, take_device_lock, tell_credentials
from gateway.enrolment.issuers import Issuer
from gateway.enrolment.renewing import decide_renewal, see_current
from gateway.enrolment.requests import Asked
from gateway.enrolment.rules import (
    AT_ONCE_RETRY_S,
    Claim,
    KnownDevice,
    Why,
    fault_of_claim,
    next_identity,
    why_wait,
)
from gateway.enrolment.settings import EnrolmentSettings
from gateway.enrolment.store import (
    Enrolment,
    StoredClaim,
    add_certificate,
    asked_again,
    count_claim_use,
    decide_enrolment,
    enrolment_by_id,
    find_certificate,
    find_enrolment,
    grant_login,
    known_device,
    lock_claim,
    revoke_logins,
)
from gateway.enrolment.waiting import enter, wait_for_person
from gateway.events import record_event
from gateway.faults import Fault, Refusal, conflict, forbidden, unknown
from gateway.metrics import Metrics
from gateway.principals import ENROLMENT
from gateway.store import Severity
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
MAX_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, and the login that it is for."""

    identity: str
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing yet: why, and when to ask again."""

    reason: str
    retry_s: int


Outcome = Issued | Waiting


class Enrolling:
    """Decides about what devices ask for, has certificates signed, and lets people decide."""

    def __init__(self, pool: Pool, metrics: Metrics, settings: EnrolmentSettings, issuer: Issuer | None) -> None:
        self._pool = pool
        self._metrics = metrics
        self._settings = settings
        self._issuer = issuer

    async def ask(self, claim: StoredClaim, asked: Asked, address: str) -> Outcome:
        """Enrol by a claim whose token was shown. Raises Refusal, and IssuerError where the authority is away.

        The same key asks for the same login as often as it likes, so that an answer that was lost costs nothing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await take_device_lock(connection, asked.device)
            decided = await self._decide(connection, claim.name, asked, address)
        if isinstance(decided, Waiting):
            self._metrics.enrolments.labels("waiting").inc()
            return decided
        return await self._issued(asked, decided, "issued")

    async def renew(self, serial: str, name: str, asked: Asked, address: str) -> Outcome:
        """Give the holder of a certificate its next one, for the same login. Raises Refusal and IssuerError.

        Who has a copy of it is found out: of two that ask by one key for different ones the second waits for a person.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await take_device_lock(connection, asked.device)
            shown = await find_certificate(connection, serial, name)
            decided = await decide_renewal(connection, shown, asked, address, self._settings.grace)
        if isinstance(decided, Refusal):
            raise decided
        return await self._issued(asked, decided, "renewed")

    async def approve(self, number: str, by: str) -> int:
        """Let one in that waits; its certificate is given when it asks again. Returns its number. Raises Refusal."""

        async def granted(connection: Connection, one: Enrolment) -> None:
            claim = await lock_claim(connection, one.claim) if one.claim else None
            if one.claim is not None and (claim is None or claim.revoked_at is not None):
                fault = Fault("claim", f"the claim {one.claim!r} is revoked", "give the device another claim")
                raise conflict(str(fault), [fault])
            await self._grant(connection, one.id, one.device, one.hardware, claim, by)

        return await self._decided(number, granted)

    async def refuse(self, number: str, by: str, reason: str | None) -> int:
        """Refuse one that waits, for good: its key is not let in any more. Returns its number. Raises Refusal."""

        async def refused(connection: Connection, one: Enrolment) -> None:
            await decide_enrolment(connection, one.id, "refused", None, by, reason)
            detail = {"id": one.id, "device": one.device, "hardware": one.hardware, "by": by, "reason": reason}
            await record_event(connection, "enrolment_refused", device=one.device, severity="warning", detail=detail)

        decided = await self._decided(number, refused)
        self._metrics.enrolments.labels("refused").inc()
        return decided

    async def _decided(self, number: str, act: Callable[[Connection, Enrolment], Awaitable[None]]) -> int:
        if not (number.isascii() and number.isdecimal() and 0 < int(number[:20]) <= MAX_ID):
            raise unknown("enrolment", number)
        async with self._pool.acquire() as connection, connection.transaction():
            found = await enrolment_by_id(connection, int(number))
            if found is None:
                raise unknown("enrolment", number)
            await take_device_lock(connection, found.device)
            one = await enrolment_by_id(connection, found.id)
            if one is None or one.state != "waiting":
                state = one.state if one else "gone"
                raise conflict(f"enrolment {number} is {state} already", [Fault("enrolment", f"it is {state} already")])
            await act(connection, one)
        return found.id

    async def _decide(self, connection: Connection, claim_name: str, asked: Asked, address: str) -> str | Waiting:
        """The login that a device gets, or why it waits. Raises Refusal."""
        now = datetime.now(UTC)
        before = await find_enrolment(connection, asked.device, asked.hardware, asked.spki_sha256)
        if before is not None and before.state == "refused":
            reason = f"a person refused it{f': {before.reason}' if before.reason else ''}"
            raise forbidden("enrolment", reason, "ask the operators; a new key asks anew")
        if before is not None and before.identity is not None:
            if before.live:
                await see_current(connection, before.identity, asked)
                return before.identity
            raise forbidden("enrolment", f"the login {before.identity} was revoked", "a new key asks anew")
        held = await lock_claim(connection, claim_name)
        if held is None:
            raise unknown("claim", claim_name)
        claim = _as_claim(held)
        known = KnownDevice(**asdict(await known_device(connection, asked.device)))
        why = why_wait(claim, known, asked.hardware, now, self._settings.alive)
        if before is None and (fault := fault_of_claim(claim, now)):
            raise forbidden("claim", fault, "make another one: `wattline claim create`")
        if why is None and not fault_of_claim(claim, now):
            number = before.id if before else await enter(connection, asked, claim_name, address, None)
            return await self._grant(connection, number, asked.device, asked.hardware, held, ENROLMENT)
        return await self._wait(connection, before, asked, claim, address, why or Why.CLAIM)

    async def _wait(
        self, connection: Connection, before: Enrolment | None, asked: Asked, claim: Claim, address: str, why: Why
    ) -> Waiting:
        retry_s = min(AT_ONCE_RETRY_S, self._settings.retry_s) if why.passes else self._settings.retry_s
        if before is not None:
            number = before.id
            await asked_again(connection, number, address, str(why))
        else:
            number = await wait_for_person(connection, asked, why, address, claim)
        fix = "" if why.passes else f"; a person lets it in: `wattline enrol approve {number}`"
        return Waiting(f"{why}{fix}", retry_s)

    async def _grant(
        self, connection: Connection, number: int, device: str, hardware: str, claim: StoredClaim | None, by: str
    ) -> str:
        """Give a device its next login, and end those before; the broker is told at the commit."""
        known = await known_device(connection, device)
        identity = next_identity(device, known.identities)
        await grant_login(connection, identity, device, by)
        ended = await revoke_logins(connection, device, identity, by, f"enrolled anew as {identity}")
        await tell_credentials(connection)
        await decide_enrolment(connection, number, "issued", identity, by, None)
        if claim is not None:
            await count_claim_use(connection, claim.name)
        detail = {
            "identity": identity, "device": device, "hardware": hardware, "replaces": ended, "by": by,
            "claim": claim.name if claim else None, "site": claim.site if claim else None,
        }  # fmt: skip
        severity: Severity = "warning" if ended else "info"
        await record_event(connection, "device_enrolled", device=device, severity=severity, detail=detail)
        log.info("device_enrolled", **detail)
        return identity

    async def _issued(self, asked: Asked, identity: str, result: str) -> Issued:
        """Have a login's certificate signed, and enter it. Raises Refusal where that was revoked, and IssuerError."""
        if self._issuer is None:
            raise forbidden("enrolment", "this gateway has no authority", "set WATTLINE_GATEWAY_CA__FOLDER")
        certificate = await self._issuer.issue(asked, identity, self._settings.life)
        begins_at, ends_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        serial = serial_text(certificate)
        async with self._pool.acquire() as connection, connection.transaction():
            await take_device_lock(connection, device_of(identity))
            if not await is_live(connection, identity):
                # revoked while it was signed: nobody is given it
                raise forbidden("certificate", f"the login {identity} was revoked", "a new key asks anew")
            await add_certificate(connection, serial, identity, asked.spki_sha256, begins_at, ends_at, asked.spki)
        self._metrics.enrolments.labels(result).inc()
        log.info("certificate_issued", identity=identity, serial=serial, until=ends_at.isoformat(), result=result)
        return Issued(identity, certificate)


def serial_text(certificate: x509.Certificate) -> str:
    """A certificate's serial number as the store has it."""
    return f"{certificate.serial_number:x}"


def _as_claim(held: StoredClaim) -> Claim:
    return Claim(**{name: value for name, value in asdict(held).items() if name != "sha256"})
