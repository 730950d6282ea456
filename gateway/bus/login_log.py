"""Follows what the broker says of logins: counted, by minute in the store, and what a person must see in the audit."""

import asyncio
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from broker.errors import RefusedError, TransientError
from broker.mosquitto.login_log import attempt
from broker.mosquitto.rights import LOGIN_LOG
from broker.mqtt.session import Session, SessionOptions
from broker.outage import Outage
from broker.runtime.settings import BrokerAddress
from gateway.audit import NOBODY, Attempt, Audit, Line, enter
from gateway.credentials.login_tally import OTHERS, Logins, LoginTally
from gateway.credentials.store import forget_logins, note_logins
from gateway.database import one_round
from gateway.events import clean
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
BATCH: Final = 500
AGAIN_S: Final = 300.0
"""When to ask again a broker that does not let us follow its log."""
ROUNDS_KEPT: Final = 60
"""After so many rounds what is old is forgotten."""


class LoginLog:
    """A session of its own, without any state at the broker: what was said while it was away is not counted.

    A flood is dropped by the message (QoS 0), and what is counted is bounded; see LoginTally.
    """

    def __init__(self, address: BrokerAddress, client_id: str, pool: Pool, metrics: Metrics, round_s: float) -> None:
        self._address = address
        self._client_id = client_id
        self._pool = pool
        self._metrics = metrics
        self._round_s = round_s
        self._audit = Audit(pool, metrics)
        self._tally = LoginTally()
        self._outage = Outage()

    async def run(self) -> None:
        """Follow for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(), name="gateway.login-log.write")
            while True:
                try:
                    await self._follow()
                except RefusedError as error:
                    fix = "run `wattline broker config`, which lets the gateway read it; other brokers have no such log"
                    self._outage.failed("broker_login_log_not_followed", reason=str(error), fix=fix)
                    await asyncio.sleep(AGAIN_S)
                except TransientError:
                    # the service's own session says what is wrong with the broker
                    await asyncio.sleep(1)

    async def _follow(self) -> None:
        name = f"{self._client_id[:100]}-log-{secrets.token_hex(4)}"
        options = SessionOptions(name, subscriptions=((LOGIN_LOG, 0),))
        async with Session(self._address, options) as session:
            await session.wait_connected()
            self._outage.back("broker_login_log_followed")
            while True:
                for message in await session.receive(BATCH):
                    message.ack()
                    found = attempt(message.payload)
                    if found is not None:
                        self._metrics.broker_logins.labels(found.result).inc()
                        self._tally.note(found, datetime.now(UTC))

    async def _write(self) -> None:
        """Enter what was counted, a minute at a time."""
        rounds = 0
        while True:
            at = datetime.now(UTC).replace(second=0, microsecond=0)
            await asyncio.sleep(self._round_s)
            if found := self._tally.take(at):
                await one_round(partial(self._enter, found), "gateway.login-log", self._metrics)
            rounds = (rounds + 1) % ROUNDS_KEPT
            if not rounds:
                await one_round(partial(forget_logins, self._pool), "gateway.login-log", self._metrics)

    async def _enter(self, found: list[Logins]) -> None:
        """Count and audit in one transaction: whatever ends in between, both are done once."""
        ats, names = [one.at for one in found], [clean(one.name) for one in found]
        refused, times = [one.refused for one in found], [one.times for one in found]
        async with self._pool.acquire() as connection, connection.transaction():
            entered = await note_logins(connection, ats, names, refused, times)
            first = {(one.at, one.name, one.refused) for one in entered if one.first}
            new = [one for one in found if one.name and (one.at, clean(one.name), one.refused) in first]
            for one in new:
                await enter(connection, line_of(one))
        for one in new:
            if one.refused:
                log.warning("broker_login_refused", name=one.name, times=one.times)
            self._audit.say(line_of(one))


def line_of(one: Logins) -> Line:
    """What the audit says of logins of one name."""
    what = Attempt("logInAtBroker", "CONNECT", "mqtt", one.address or NOBODY)
    if one.refused:
        return Line(NOBODY, None, what, 401, f"refused {one.times} times in a minute as {one.name!r}")
    if one.name == OTHERS:
        return Line(
            NOBODY, None, what, 200, "let in by a client id so long that the broker's log hides whose login it is"
        )
    return Line(one.name, None, what, 200, "let in, once an hour")
