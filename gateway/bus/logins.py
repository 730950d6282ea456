"""Makes the broker let in whom the store does: at each connection, when credentials change, and now and then."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.contract.identity import device_of
from broker.contract.messages import Status
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.errors import RefusedError, TransientError
from broker.mosquitto.control import Control
from broker.mosquitto.dynamic_security import Held, device_login, own_roles, put_login, put_role
from broker.mosquitto.rights import own_role
from broker.mqtt.publication import Publication
from broker.outage import Outage
from broker.runtime.settings import BrokerAddress
from gateway.credentials.matching import Difference, changes, difference
from gateway.credentials.store import (
    credential_states,
    credential_states_of,
    note_found,
    revoked_online,
    take_broker_lock,
)
from gateway.database import until_stored
from gateway.faults import Kind as FaultKind
from gateway.faults import Refusal
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
EVERY_S: Final = 300.0
"""How often the broker is compared without a cause: whoever changes logins there by hand tells nobody."""
JITTER: Final = 0.2
AT_ONCE: Final = 5
"""Identities that are settled in one step: the broker does nothing else until it is done with a message."""
LOCKED_S: Final = 25.0
"""How long a step may take; the database ends a transaction in which nothing is asked for 30 s."""
REST: Final = 2.0
"""For so many times as long as it took, the broker is then left to its work."""
ANSWER_S: Final = 20.0
_SPREAD: Final = random.SystemRandom()
Publish = Callable[[Publication], Awaitable[object]]
"""Publishes at least once. Raises RefusedError, and TimeoutError."""


class Logins:
    """Keeps a broker's logins of devices as the store has them.

    Several gateways do so at once: each step is one's alone, on what store and broker have at that moment.
    Who was revoked goes first and at once; who is missing is let in a few at a time. A broker that has no such plugin,
    or does not let us use it, is said once; its logins are its operator's, and revoking ends nothing there.
    """

    def __init__(
        self, address: BrokerAddress, client_id: str, topics: Topics, pool: Pool, metrics: Metrics, publish: Publish
    ) -> None:
        self._publish = publish
        self._address = address
        self._client_id = client_id
        self._topics = topics
        self._pool = pool
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._outage = Outage()
        self._lost: tuple[str, ...] = ()
        self._keeps = True
        self._detail = "not compared yet"

    def wake(self) -> None:
        """Compare now."""
        self._wake.set()

    def check(self) -> tuple[bool, str]:
        """For /healthz: how the last comparison went. It makes nothing unwell: who is let in stays so."""
        return True, self._detail

    async def run(self) -> None:
        """Compare for ever."""
        backoff = Backoff(cap_s=EVERY_S)
        while True:
            self._wake.clear()
            try:
                await self._match()
                backoff.succeeded()
                pause_s = EVERY_S * _SPREAD.uniform(1 - JITTER, 1 + JITTER)
            except (TransientError, OSError) as error:
                self._outage.failed("broker_logins_not_compared", reason=str(error))
                self._detail = f"not compared: {error}"
                pause_s = backoff.next_s()
            except (RefusedError, TimeoutError) as error:
                await self._not_ours(str(error) or "it answers no command")
                pause_s = EVERY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def put_password(self, identity: str, password: str) -> None:
        """Have the broker let a device in with a new password; who asks holds the broker's lock. Raises Refusal."""
        try:
            async with self._control() as control, asyncio.timeout(ANSWER_S):
                login, role = device_login(identity), own_role(device_of(identity))
                logins, roles = await control.some([identity], [role])
                held = Held(frozenset(logins), roles)
                grants = {} if role in roles else own_roles(login, self._topics)
                own = [put_role(name, of, held) for name, of in grants.items()]
                await control.run([*own, *put_login(login, password, held)])
        except (RefusedError, TransientError, TimeoutError, OSError) as error:
            why = str(error) or "it answers no command"
            refusal = f"the broker can't be told ({why}); nothing was changed"
            raise Refusal(FaultKind.UNAVAILABLE, refusal, retry_after_s=5) from error

    async def _match(self) -> None:
        async with self._control() as control:
            async with asyncio.timeout(ANSWER_S):
                logins = await control.logins()
            states = await until_stored(partial(credential_states, self._pool), "gateway.logins", self._metrics)
            found = difference(states, logins)
            self._metrics.credentials_unmatched.set(found.unmatched)
            for some in _parts(found.revoked):
                await self._settle(control, some)
            await self._say_offline()
            await self._note(found)
            if not await self._let_in(control, (*found.wrong, *found.missing)):
                return
        self._metrics.credentials_unmatched.set(0)
        self._outage.back("broker_logins_compared")
        if not self._keeps:
            self._keeps = True
            log.info("broker_logins_kept")
        self._detail = f"{len(states)} credentials, as the broker has them"
        if found.lost:
            self._detail = f"{len(found.lost)} with a password are unknown to the broker: wattline device rotate"

    async def _let_in(self, control: Control, identities: Sequence[str]) -> bool:
        """Make or mend logins, a few at a time; False where it is to be compared anew before it is done."""
        for some in _parts(identities):
            began_s = time.monotonic()
            await self._settle(control, some)
            if self._wake.is_set():
                # somebody may have been revoked, even one of those to come: compare anew, who was revoked first
                return False
            if some[-1] != identities[-1]:
                await asyncio.sleep(REST * (time.monotonic() - began_s))
        return True

    async def _settle(self, control: Control, identities: Sequence[str]) -> None:
        """Make the broker match as to some logins, whatever the store says of them and the broker has by now."""
        done = await until_stored(partial(self._settled, control, identities), "gateway.logins", self._metrics)
        for what, names in (("cut_off", done.revoked), ("mended", done.wrong), ("granted", done.missing)):
            self._metrics.credentials.labels(what).inc(len(names))
        if done.revoked:
            log.warning("broker_logins_cut_off", identities=list(done.revoked))
        if done.wrong:
            log.warning("broker_logins_mended", identities=list(done.wrong))
        if done.missing:
            log.info("broker_logins_granted", identities=list(done.missing))

    async def _settled(self, control: Control, identities: Sequence[str]) -> Difference:
        """The same, once, while nobody else changes logins; what was done. Raises TransientError, DATABASE_ERRORS."""
        devices = sorted({device_of(name) for name in identities})
        async with self._pool.acquire() as connection, connection.transaction():
            await take_broker_lock(connection)
            # read under the lock: another gateway may have done it, and a person decided otherwise meanwhile
            states = await credential_states_of(connection, devices)
            try:
                async with asyncio.timeout(LOCKED_S):
                    names = [one.identity for one in states]
                    logins, roles = await control.some(names, [own_role(device) for device in devices])
                    found, commands = changes(states, logins, roles, self._topics)
                    await control.run(commands)
            except TimeoutError as error:
                raise TransientError(
                    f"the broker took more than {LOCKED_S:g} s over {len(identities)} logins"
                ) from error
        return found

    async def _say_offline(self) -> None:
        """Replace what revoked devices said last: Mosquitto sends no will where it removes a login."""
        gone = await until_stored(partial(revoked_online, self._pool), "gateway.logins", self._metrics)
        delivery, now = DELIVERY[Kind.STATUS], datetime.now(UTC)
        for one in gone:
            status = Status(online=False, boot=one.boot, software=one.software, since=now).payload()
            topic = self._topics.of(Kind.STATUS, one.device)
            try:
                await self._publish(Publication(topic, status, qos=delivery.qos, retain=delivery.retain))
            except (RefusedError, TimeoutError) as error:
                fix = "run `wattline broker config`, which renews what the gateway may do"
                log.warning(
                    "revoked_still_online", device=one.device, reason=str(error) or "no answer in time", fix=fix
                )
                return
            self._metrics.credentials.labels("said_offline").inc()

    async def _note(self, found: Difference) -> None:
        """Enter logins that somebody made at the broker, and say which passwords it has lost."""
        if found.found:
            devices = [device_of(name) for name in found.found]
            noting = partial(note_found, self._pool, found.found, devices)
            new = await until_stored(noting, "gateway.logins", self._metrics)
            self._metrics.credentials.labels("found").inc(len(new))
            log.info("broker_logins_found", identities=new[:20], logins=len(new))
        if found.lost and found.lost != self._lost:
            fix = "wattline device rotate, or restore the broker's dynamic-security.json"
            log.error("broker_logins_lost", identities=list(found.lost[:20]), logins=len(found.lost), fix=fix)
        self._lost = found.lost

    async def _not_ours(self, reason: str) -> None:
        states = await until_stored(partial(credential_states, self._pool), "gateway.logins", self._metrics)
        self._metrics.credentials_unmatched.set(sum(1 for one in states if one.revoked or one.kind == "certificate"))
        self._detail = f"the broker's logins are not ours to keep: {reason}"
        if self._keeps:
            self._keeps = False
            fix = "run `wattline broker config` where it is Mosquitto; else keep its logins by hand"
            log.warning("broker_logins_not_kept", reason=reason, fix=fix)

    def _control(self) -> contextlib.AbstractAsyncContextManager[Control]:
        return Control.open(self._address, f"{self._client_id[:100]}-logins-{secrets.token_hex(4)}")


def _parts(identities: Sequence[str]) -> list[Sequence[str]]:
    return [identities[start : start + AT_ONCE] for start in range(0, len(identities), AT_ONCE)]
