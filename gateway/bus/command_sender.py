"""Publishes commands that the store holds, and ends those whose time is over."""

import asyncio
import contextlib
import math
import time
from functools import partial
from typing import Final

import structlog

from broker.contract.messages import Command
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import ConnectionLostError, Publication, RefusedError, Session
from broker.outage import Outage
from gateway.commands.orders import Commands
from gateway.commands.store import WaitingCommand, commands_to_publish, forget_commands, note_commands_published
from gateway.database import until_stored
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
BATCH: Final = 100
"""Commands published at once."""
SWEEP_S: Final = 1.0
LEFT_TO_OTHERS_S: Final = 5.0
"""For so long a command that another gateway took is left to it."""
PUBLISH_TIMEOUT_S: Final = 10.0
FORGET_EVERY_S: Final = 3600.0


class CommandSender:
    """Publishes each command once the store has it; what is not noted as published is published again.

    A device does a command once, however often it comes. What waits is bounded by the bounds of `Commands`.
    """

    def __init__(
        self,
        session: Session,
        pool: Pool,
        topics: Topics,
        commands: Commands,
        metrics: Metrics,
        gateway: str,
        days: int,
    ) -> None:
        self._session = session
        self._pool = pool
        self._topics = topics
        self._commands = commands
        self._metrics = metrics
        self._outage = Outage()
        self._gateway = gateway
        self._days = days
        self._forgot_s = -math.inf

    async def run(self) -> None:
        """Publish and sweep for ever."""
        while True:
            self._commands.wake.clear()
            await until_stored(self._commands.expire, "gateway.commands", self._metrics)
            await self._forget()
            if self._session.connected and await self._pass():
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._commands.wake.wait()

    async def _pass(self) -> bool:
        """Publish a batch; whether it is worth to go on at once."""
        waiting = partial(commands_to_publish, self._pool, self._gateway, LEFT_TO_OTHERS_S, BATCH)
        found = await until_stored(waiting, "gateway.commands", self._metrics)
        sent = await asyncio.gather(*(self._send(one) for one in found))
        done = [(one.id, one.resend_at) for one, success in zip(found, sent, strict=True) if success]
        if done:
            note = partial(note_commands_published, self._pool, *map(list, zip(*done, strict=True)))
            await until_stored(note, "gateway.commands", self._metrics)
        return bool(found) and all(sent)

    async def _send(self, one: WaitingCommand) -> bool:
        delivery = DELIVERY[Kind.COMMAND]
        publication = Publication(
            self._topics.command(one.device, one.command),
            Command(arguments=one.arguments).payload(),
            delivery.qos,
            delivery.retain,
            expiry_s=max(1, math.ceil(one.left_s)),
            response_topic=self._topics.of(Kind.REPLIES, one.device),
            correlation=str(one.id).encode(),
        )
        try:
            await self._session.publish(publication, min(PUBLISH_TIMEOUT_S, max(1.0, one.left_s)))
        except (ConnectionLostError, TimeoutError) as error:
            self._metrics.publish_failures.labels("broker_away").inc()
            of = {"device": one.device, "command": one.command}
            self._outage.failed("command_waits", reason=str(error) or "no answer in time", **of)
            return False
        except RefusedError as error:
            # only a person can put the access list right; the command ends by its time
            self._metrics.publish_failures.labels("refused").inc()
            log.exception("publish_refused", topic=publication.topic, code=error.code)
            return False
        self._outage.back("commands_go_on")
        self._metrics.published.labels(str(Kind.COMMAND)).inc()
        return True

    async def _forget(self) -> None:
        if time.monotonic() - self._forgot_s < FORGET_EVERY_S:
            return
        self._forgot_s = time.monotonic()
        await until_stored(partial(forget_commands, self._pool, self._days), "gateway.commands", self._metrics)
