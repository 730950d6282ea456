"""Compares all that the broker retains with the store from time to time, without a new connection of the service."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from typing import Any, Final

import structlog

from broker.errors import ContractError, PermanentError, TransientError
from broker.messages import Desired
from broker.session import Inbound, Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import DELIVERY, Kind, Topics
from gateway.database import until_stored
from gateway.events import record_event
from gateway.inbox import Inbox
from gateway.metrics import Metrics
from gateway.publisher import Publisher
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
BATCH: Final = 200
"""Messages in hand at once; the broker keeps back the rest (receive maximum)."""
ROUND_S: Final = 120.0
"""What is not compared by then is left for the next round."""
CONNECT_S: Final = 20.0
JITTER: Final = 0.2
KINDS: Final = (Kind.DESIRED, Kind.SPEC)


class RetainedCheck:
    """A session of its own subscribes, takes the retained messages as they come, compares each, and goes.

    Only names are kept, of devices and specs. What the broker has and the store has not goes the way of any message
    by hand (the inbox); what it lacks is published. Several gateways do this at different moments.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        topics: Topics,
        pool: Pool,
        inbox: Inbox,
        publisher: Publisher,
        metrics: Metrics,
        every_s: float,
        quiet_s: float,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._topics = topics
        self._pool = pool
        self._inbox = inbox
        self._publisher = publisher
        self._metrics = metrics
        self._every_s = every_s
        self._quiet_s = quiet_s

    async def run(self) -> None:
        """Compare for ever; a round that fails is told of, and the next one comes in its time."""
        while True:
            await asyncio.sleep(self._every_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - spreads load
            try:
                result = await self.check()
            except (TransientError, PermanentError, TimeoutError) as error:
                # the service's own session says what is wrong with the broker, and reconnects
                log.warning("retained_not_compared", reason=str(error) or "no answer in time")
                result = "failed"
            self._metrics.compared.labels(result).inc()

    async def check(self) -> str:
        """One round: `whole`, `repaired`, or `incomplete` where the time was over before all had come."""
        wanted = {row["name"] for row in await self._fetch("desired_devices")}
        lacking = set(wanted)
        refs: set[str] = set()
        altered = 0
        options = SessionOptions(
            f"{self._client_id[:100]}-check-{secrets.token_hex(4)}",
            receive_maximum=BATCH,
            subscriptions=tuple((self._topics.every(kind), DELIVERY[kind].qos) for kind in KINDS),
        )
        complete = False
        async with Session(self._address, options) as session:
            async with asyncio.timeout(CONNECT_S):
                await session.wait_connected()
            deadline = asyncio.get_running_loop().time() + ROUND_S
            while asyncio.get_running_loop().time() < deadline:
                try:
                    async with asyncio.timeout(self._quiet_s):
                        messages = await session.receive(BATCH)
                except TimeoutError:
                    complete = session.connected
                    break
                altered += await self._compare(messages, lacking, refs)
        if not complete:
            log.warning("retained_check_incomplete", devices=len(wanted), unseen=len(lacking))
            return "incomplete"
        return await self._settle(len(wanted), lacking, refs, altered)

    async def _settle(self, devices: int, lacking: set[str], refs: set[str], altered: int) -> str:
        missing = [name for name in lacking if not self._publisher.is_marked(name)]
        needed = {row["ref"] for row in await self._fetch("desired_spec_refs")}
        specs = sorted((needed & self._publisher.shelf.specs.keys()) - refs)
        log.info("retained_compared", devices=devices, missing=len(missing), specs_missing=len(specs), altered=altered)
        if not (missing or specs or altered):
            return "whole"
        self._publisher.need_specs(*specs, again=True)
        self._publisher.mark(*missing)
        self._metrics.restored.labels("lost").inc(len(missing))
        self._metrics.restored.labels("spec").inc(len(specs))

        async def tell() -> None:
            async with self._pool.acquire() as connection:
                detail = {"missing": len(missing), "specs_missing": len(specs), "altered": altered}
                await record_event(connection, "broker_repaired", severity="warning", detail=detail)

        await until_stored(tell, "gateway.retained", self._metrics)
        return "repaired"

    async def _compare(self, messages: Sequence[Inbound], lacking: set[str], refs: set[str]) -> int:
        """Take a batch; returns how many of it differ from the store."""
        addressed = []
        for message in messages:
            try:
                addressed.append((message, self._topics.parse(message.topic)))
            except ContractError:
                await self._inbox.take(message, checked=True)
        names = [address.device for _, address in addressed if address.kind is Kind.DESIRED]
        rows = await self._fetch("desired_marks", names)
        marks = {row["name"]: (row["version"], row["hash"]) for row in rows}
        altered = 0
        for message, address in addressed:
            if address.kind is Kind.SPEC:
                ref = f"{address.spec}@{address.version}"
                refs.add(ref)
                published = self._publisher.shelf.specs.get(ref)
                same = published is not None and message.payload == published.message().payload()
            else:
                lacking.discard(address.device)
                same = mark_of(message.payload) == marks.get(address.device)
            # what comes live is the service's own session's to take, and so is what waits to be published
            if same or not message.retain or self._publisher.is_marked(address.device):
                message.ack()
            else:
                altered += 1
                await self._inbox.take(message, checked=True)
        return altered

    async def _fetch(self, name: str, *values: object) -> list[Any]:
        async def fetch() -> list[Any]:
            return list(await self._pool.fetch(load(name), *values))

        return await until_stored(fetch, "gateway.retained", self._metrics)


def mark_of(payload: bytes) -> tuple[int, str] | None:
    """Version and hash of a desired configuration by its content; None where it is none."""
    try:
        desired = Desired.parse(payload)
        return desired.version, desired.digest()
    except (ContractError, ValueError, ArithmeticError, RecursionError):
        return None
