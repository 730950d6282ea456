"""Ingestors that share the load: added, stopped, killed and frozen under live readings, the others take over."""

import asyncio
import contextlib
import json
import secrets
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.contract.messages import Receipts
from broker.contract.topics import Kind
from broker.mqtt.session import ConnectionLostError, Publication, Session, SessionOptions
from tests.rigs.ingesting import DEADLINE_S, Device, Process, Table, device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

EVERY_S = 0.03
SLACK_S = 2.0
"""What was sent so much before something that has a receipt, and has none, is sent again."""
LIVE_S = 5.0
"""So late may a live reading be at most, whoever of the group comes or goes in an orderly way."""


@dataclass
class Live:
    """A device that publishes all the time and sends again what gets no receipt, as an agent does."""

    pi: Device
    resends: bool = True
    given_at: dict[int, float] = field(default_factory=dict)
    sent_at: dict[int, float] = field(default_factory=dict)
    payloads: dict[int, dict[str, Any]] = field(default_factory=dict)
    resent: dict[int, int] = field(default_factory=dict)

    async def publish(self, stop: asyncio.Event) -> None:
        """Publish until told to stop."""
        while not stop.is_set():
            await self.one()
            await asyncio.sleep(EVERY_S)

    async def one(self) -> None:
        """Publish one message more."""
        document = json.loads(self.pi.payload())
        seq = self.pi.seq
        self.payloads[seq], self.given_at[seq] = document, time.time()
        await self._send(seq)

    async def listen(self, ears: Session) -> None:
        """Take receipts, and send again what lies behind them without one."""
        async for message in ears.messages():
            newest_at = 0.0
            for ranges in Receipts.parse(message.payload).boots.values():
                for first, last in (one.root for one in ranges):
                    for seq in range(first, last + 1):
                        newest_at = max(newest_at, self.sent_at.get(seq, 0.0))
                        self.payloads.pop(seq, None)
            lacking = self.payloads if self.resends else ()
            for seq in [seq for seq in lacking if self.sent_at.get(seq, newest_at) < newest_at - SLACK_S]:
                self.resent[seq] = self.resent.get(seq, 0) + 1
                await self._send(seq)

    async def _send(self, seq: int) -> None:
        self.sent_at[seq] = time.time()
        document = self.payloads[seq] | ({"resent": self.resent[seq]} if seq in self.resent else {})
        topic = self.pi.broker.topics.of(Kind.READINGS, self.pi.name)
        with contextlib.suppress(ConnectionLostError):
            await self.pi.session.send(Publication(topic, json.dumps(document).encode()))

    async def more(self, count: int) -> None:
        """Wait until so many more have been published."""
        wanted = self.pi.seq + count
        await until(lambda: self.pi.seq >= wanted)


@contextlib.asynccontextmanager
async def living(broker: Broker, *, resends: bool = True) -> AsyncIterator[Live]:
    """A device that publishes while the context lasts, and then waits for its receipts."""
    async with device(broker) as pi, asyncio.TaskGroup() as group:
        live, stop = Live(pi, resends), asyncio.Event()
        options = SessionOptions(f"{pi.name}-ears", subscriptions=((broker.topics.of(Kind.RECEIPTS, pi.name), 0),))
        async with Session(broker.address(pi.name), options) as ears:
            await asyncio.wait_for(ears.wait_connected(), DEADLINE_S)
            listening = group.create_task(live.listen(ears))
            publishing = group.create_task(live.publish(stop))
            yield live
            stop.set()
            await publishing
            # what was sent last has nothing behind it that would show its loss: a receipt of one more does
            await asyncio.sleep(SLACK_S if live.payloads else 0)
            async with asyncio.timeout(DEADLINE_S):
                while live.payloads:
                    await live.one()
                    # were they one after the other at once, one would always be under way
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(SLACK_S):
                            while live.payloads:
                                await asyncio.sleep(EVERY_S)
            listening.cancel()


async def delays(asked: Table, live: Live) -> dict[int, float]:
    """Seconds from each message's first publication to its being stored."""
    rows = await asked.rows("SELECT seq, min(extract(epoch FROM stored_at))::float8 FROM message GROUP BY seq")
    return {seq: stored_at - live.given_at[seq] for seq, stored_at in rows}


def member(broker: Broker, database: Database, folder: Path, name: str) -> Process:
    return Process(
        broker,
        database.dsn("wattline_ingestor"),
        folder / name,
        CLIENT_ID=f"wattline-{name}-{secrets.token_hex(4)}",
        SHARE_GROUP="ingestors",
        RECEIPTS_EVERY_S="0.1",
        LOG_LEVEL="debug",
    )


async def test_members_come_and_go_in_an_orderly_way(broker: Broker, database: Database, tmp_path: Path) -> None:
    """One is added, one stops, one is started again: no live reading is late, none needs sending again."""
    first, second = (member(broker, database, tmp_path, name) for name in ("first", "second"))
    await first.start()
    try:
        async with table(database) as asked, living(broker, resends=False) as live:
            await live.more(30)
            await second.start()
            await until(lambda: "batch_written" in second.log)
            assert await first.stop() == 0
            await live.more(30)
            await first.start()
            await until(lambda: first.log.count("ingestor_stopped") == 1)
            assert await second.stop() == 0
            await live.more(30)
            last = live.pi.seq
            await until_equal(lambda: has_all(asked, last), wanted=True)
            late = {seq: delay_s for seq, delay_s in (await delays(asked, live)).items() if delay_s > LIVE_S}
            assert not late
            assert await asked.value("SELECT sum(repeated) FROM message_gap") == 0
    finally:
        await asyncio.gather(first.kill(), second.kill())


async def test_a_member_is_killed(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Killed -9, a member costs the resending of what lay with it; all others are stored as if it had never been."""
    first, second = (member(broker, database, tmp_path, name) for name in ("first", "second"))
    await asyncio.gather(first.start(), second.start())
    try:
        async with table(database) as asked, living(broker) as live:
            await until(lambda: "batch_written" in first.log and "batch_written" in second.log)
            await first.kill()
            killed_at = time.time()
            await live.more(60)
            await until_equal(lambda: stored_since(asked, live, killed_at + 2), wanted=True)
            late = {seq for seq, delay_s in (await delays(asked, live)).items() if delay_s > LIVE_S}
            assert all(live.given_at[seq] < killed_at + 2 for seq in late | live.resent.keys())
        async with table(database) as asked:
            await until_equal(asked.entered, live.pi.seq)
    finally:
        await asyncio.gather(first.kill(), second.kill())


async def stored_since(asked: Table, live: Live, at: float) -> bool:
    """Whether something that was given after this time is stored."""
    return any(live.given_at[seq] > at for seq in await delays(asked, live))


async def test_a_member_is_frozen_and_thaws(broker: Broker, database: Database, tmp_path: Path) -> None:
    """What a broker gives a frozen member comes by the others, and once more by it when it thaws: stored once."""
    first, second = (member(broker, database, tmp_path, name) for name in ("first", "second"))
    await asyncio.gather(first.start(), second.start())
    try:
        async with table(database) as asked, living(broker) as live:
            await until(lambda: "batch_written" in first.log and "batch_written" in second.log)
            await freeze(first, asked)
            last = live.pi.seq + 20
            await until(lambda: bool(live.resent))
            await until_equal(lambda: has_all(asked, last), wanted=True)
            first.signal(signal.SIGCONT)
            await until_equal(lambda: asked.value("SELECT sum(repeated) > 0 FROM message_gap"), wanted=True)
        async with table(database) as asked:
            await until_equal(asked.entered, live.pi.seq)
            assert await asked.readings() == 3 * live.pi.seq
    finally:
        first.signal(signal.SIGCONT)
        await asyncio.gather(first.kill(), second.kill())


async def freeze(process: Process, asked: Table) -> None:
    """Stop it in a moment without an open transaction, whose locks the others would wait for."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'first-%' AND state <> 'idle'"
    process.signal(signal.SIGSTOP)
    while await asked.value(busy):
        process.signal(signal.SIGCONT)
        await asyncio.sleep(EVERY_S)
        process.signal(signal.SIGSTOP)


async def has_all(asked: Table, last: int) -> bool:
    """Whether each message up to this one is stored."""
    return bool(await asked.value("SELECT count(DISTINCT seq) = $1 FROM message WHERE seq <= $1", last))


async def test_a_session_of_before_is_emptied(own_broker: Broker, database: Database) -> None:
    """What an older ingestor's kept session holds is stored, and the session ends with the member that took it up."""
    of = settings(own_broker, database.dsn("wattline_ingestor"), share_group="ingestors")
    kept = SessionOptions(
        of.client_id,
        clean_start=False,
        session_expiry_s=3600,
        subscriptions=((f"$share/ingestors/{own_broker.topics.everything()}", 1),),
    )
    async with Session(own_broker.address("ingestor"), kept) as before:
        await asyncio.wait_for(before.wait_connected(), DEADLINE_S)
    async with device(own_broker) as pi, table(database) as asked:
        await pi.readings(40)
        async with ingesting(of):
            await until_equal(asked.entered, 40)
        assert await pi.session.publish(Publication(own_broker.topics.of(Kind.READINGS, pi.name), pi.payload())) == 0x10
