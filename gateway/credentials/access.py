"""A device's access to the broker: shown, revoked, and given a new password."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from broker.contract.identity import device_of, is_reserved
from broker.patterns import is_name
from gateway.credentials.store import (
    Credential,
    credentials_of,
    grant_password,
    is_known_device,
    revoke_credentials,
    take_broker_lock,
    take_device_lock,
    tell_credentials,
)
from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, unknown
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
PASSWORD_BYTES = 24
PutPassword = Callable[[str, str], Awaitable[None]]
"""Has the broker let an identity in with a password. Raises Refusal where it can't."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that is shown once and kept by nobody."""

    identity: str
    password: str


class Access:
    """What people may do about a device's access. Methods raise Refusal."""

    def __init__(self, pool: Pool, metrics: Metrics, put_password: PutPassword) -> None:
        self._pool = pool
        self._metrics = metrics
        self._put_password = put_password

    async def of(self, device: str) -> list[Credential]:
        """What a device logs in by, or once did."""
        if fault := _no_device(device):
            raise Refusal(Kind.UNKNOWN, str(fault), [fault])
        if not await is_known_device(self._pool, device):
            raise unknown("device", device)
        return await credentials_of(self._pool, device)

    async def revoke(self, device: str, author: str, reason: str | None) -> list[Credential]:
        """End whatever a device logs in by: within seconds the broker cuts it off and lets it in no more."""
        await self.of(device)
        async with self._pool.acquire() as connection, connection.transaction():
            # an enrolment at the same moment is either seen here, or sees that the device is revoked
            await take_device_lock(connection, device)
            ended = await revoke_credentials(connection, device, author, reason)
            if ended:
                detail = {"identities": sorted(ended), "author": author, "reason": reason}
                await record_event(connection, "credential_revoked", device=device, severity="warning", detail=detail)
                await tell_credentials(connection)
        if ended:
            self._metrics.credentials.labels("revoked").inc(len(ended))
            log.warning("credential_revoked", device=device, identities=sorted(ended), author=author)
        return await credentials_of(self._pool, device)

    async def rotate(self, device: str, author: str) -> NewPassword:
        """Give a device a new password, also one that was revoked; the one of before lets nobody in any more."""
        await self.of(device)
        if not is_name(device):
            raise unknown("device", device)
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        async with self._pool.acquire() as connection, connection.transaction():
            await take_device_lock(connection, device)
            identity = _password_identity(device, await credentials_of(connection, device))
            await grant_password(connection, identity, device, author)
            # inside, so that a broker that is away leaves all as it was, and no other gateway undoes it meanwhile
            await take_broker_lock(connection)
            await self._put_password(identity, password)
            await record_event(
                connection, "credential_rotated", device=device, detail={"identity": identity, "author": author}
            )
            await tell_credentials(connection)
        self._metrics.credentials.labels("rotated").inc()
        log.info("credential_rotated", device=device, identity=identity, author=author)
        return NewPassword(identity, password)


def _no_device(name: str) -> Fault | None:
    """What is wrong with a login's name that stands where a device's is wanted."""
    if is_reserved(name):
        fix = "`wattline broker remove-user` on the broker's machine ends it"
        return Fault("device", f"{name!r} is the login of a person or a service, and no device", fix)
    if device_of(name) != name:
        fix = f"name the device, {device_of(name)[:100]!r}: all of its logins end together"
        return Fault("device", f"{name[:100]!r} is one login of a device", fix)
    return None


def _password_identity(device: str, ever: list[Credential]) -> str:
    """By which name a device logs in with a password. Raises Refusal where it has certificates."""
    present = [one for one in ever if one.revoked_at is None]
    if any(one.kind == "certificate" for one in ever):
        # also a revoked one: its name would be let in again
        yes = "let it in when it asks anew, some minutes later: `wattline enrol list`, `wattline enrol approve NUMBER`"
        fix = f"where its key may be known, `wattline device revoke {device}`, and {yes}" if present else yes
        fault = Fault("device", f"{device} logs in by certificates, which it renews by itself, and by no password", fix)
        raise conflict(str(fault), [fault])
    return present[-1].identity if present else device
