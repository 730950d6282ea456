"""The agent's outbox against a real broker and a real ingestor: what was lost between them heals by itself."""

import asyncio
import time
from pathlib import Path

import pytest

from broker.contract.messages import Readings
from broker.contract.topics import Kind
from broker.mqtt.publication import Publication
from broker.mqtt.session import Session, SessionOptions
from device.outbox import publisher, resend_schedule, resending
from ingestor.settings import IngestorSettings
from tests.rigs.ingesting import ingesting, settings, table
from tests.rigs.sending import sender
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

PI = "pi-1"
SLACK_S, TOGETHER_S = 1.0, 0.1
"""How much later the agent of these tests must have sent what is evidence, and what it takes for sent at once."""
PROBE_S = 1.0
"""How long it waits before it probes."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the waiting, for what a test would wait for."""
    monkeypatch.setattr(resend_schedule, "SLACK_S", SLACK_S)
    monkeypatch.setattr(resend_schedule, "RIPE_S", 0.6)
    monkeypatch.setattr(resend_schedule, "TOGETHER_S", TOGETHER_S)
    monkeypatch.setattr(resend_schedule, "PROBE_S", PROBE_S)
    monkeypatch.setattr(resend_schedule, "ANSWERED_S", 0.3)
    monkeypatch.setattr(resending, "CHECK_S", 0.1)
    monkeypatch.setattr(publisher, "NOBODY_FIRST_S", 0.1)
    monkeypatch.setattr(publisher, "NOBODY_CAP_S", 0.5)


def hasty(broker: Broker, database: Database) -> IngestorSettings:
    """An ingestor that gathers receipts for a moment only."""
    return settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.05)


def listener(broker: Broker) -> Session:
    """Somebody who takes messages and stores nothing, as an ingestor of before receipts that then lost its disk."""
    topics = broker.topics
    filters = ((topics.every(Kind.READINGS), 1), (topics.every(Kind.EVENTS), 1))
    return Session(broker.address("monitor"), SessionOptions("listener", subscriptions=filters))


async def test_what_an_ingestor_stores_is_confirmed_and_forgotten(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Each message once, also after the connection broke; nothing is sent again that was confirmed."""
    await broker.add_device(PI)
    async with (
        table(database) as asked,
        ingesting(hasty(broker, database)),
        sender(broker, PI, tmp_path) as out,
    ):
        out.send(200)
        await out.proxy.restore()
        await until(lambda: out.outbox.has_receipts and not out.outbox.waiting + out.outbox.unconfirmed)
        await out.proxy.cut()
        out.send(100)
        await out.proxy.restore()
        await until(lambda: out.count("confirmed_total") == 300)
        assert (await asked.entered(), await asked.lost(), await asked.readings()) == (300, 0, 300)
        assert out.count("resent_total", why="evidence") == 0


async def test_until_a_first_receipt_all_is_kept_and_then_sent_again_and_stored_once(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A platform that sends none: nothing is repeated, over a restart too; the first receipt heals what was lost."""
    await broker.add_device(PI)
    async with table(database) as asked:
        async with listener(broker) as heard:
            await heard.wait_connected()
            async with sender(broker, PI, tmp_path, boot="aaaa") as first:
                first.send(150)
                await first.proxy.restore()
                await until(lambda: first.publisher.idle)
            async with sender(broker, PI, tmp_path, boot="bbbb") as second:
                assert (second.outbox.waiting, second.outbox.unconfirmed) == (0, 150)
                await second.proxy.restore()
                second.send(50)
                await until(lambda: second.outbox.unconfirmed == 200)
                await asyncio.sleep(2 * SLACK_S)
                taken = await heard.receive(1000)
                assert len(taken) == 200, "something was sent again though no receipt ever came"
        async with ingesting(hasty(broker, database)), sender(broker, PI, tmp_path, boot="cccc") as third:
            await third.proxy.restore()
            third.send(1)
            await asyncio.sleep(SLACK_S * resend_schedule.JITTER + TOGETHER_S)
            third.send(1)
            await until(lambda: not third.outbox.waiting + third.outbox.unconfirmed)
            assert (await asked.entered(), await asked.lost(), await asked.readings()) == (202, 0, 202)
            resent = {why: third.count("resent_total", why=why) for why in ("evidence", "probe")}
            assert sum(resent.values()) == 200
            assert resent["probe"] < resent["evidence"]
            assert await asked.value("SELECT coalesce(sum(repeated), 0) FROM message_gap") == 0


async def test_a_quiet_device_heals_by_probes(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Receipts are known, all that was sent went lost, and nothing new is sent: the oldest finds it out."""
    await broker.add_device(PI)
    async with table(database) as asked, sender(broker, PI, tmp_path) as out:
        async with ingesting(hasty(broker, database)):
            await out.proxy.restore()
            out.send(1)
            await until(lambda: out.outbox.has_receipts)
        async with listener(broker) as heard:
            await heard.wait_connected()
            out.send(30)
            await until(lambda: out.outbox.unconfirmed == 30)
        async with ingesting(hasty(broker, database)):
            await until(lambda: not out.outbox.unconfirmed)
            assert (await asked.entered(), await asked.lost()) == (31, 0)
            assert out.count("resent_total", why="probe") >= 30


async def test_what_the_broker_keeps_for_nobody_is_not_taken(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """PUBACK 0x10: the first start of all, before any ingestor's. Stopping is not held up by it."""
    await broker.add_device(PI)
    async with table(database) as asked, sender(broker, PI, tmp_path) as out:
        out.send(300)
        await out.proxy.restore()
        await until(lambda: out.count("publish_failures_total", reason="no_subscribers") >= 3)
        assert (out.outbox.waiting, out.outbox.unconfirmed) == (300, 0)
        assert out.publisher.idle
        assert sum(out.count("published_total", kind="readings", lane=lane) for lane in ("live", "backlog")) < 60
        async with ingesting(hasty(broker, database)):
            await until(lambda: not out.outbox.waiting + out.outbox.unconfirmed)
            assert (await asked.entered(), await asked.lost(), await asked.readings()) == (300, 0, 300)
            assert await asked.value("SELECT coalesce(sum(repeated), 0) FROM message_gap") == 0


async def test_what_is_sent_again_says_how_often(broker: Broker, tmp_path: Path) -> None:
    """And is the same message else; receipts that can't be read, or retained ones of others, change nothing."""
    await broker.add_device(PI)
    topic = broker.topics.of(Kind.RECEIPTS, PI)
    options = SessionOptions("receipts-by-hand")
    async with (
        listener(broker) as heard,
        Session(broker.address("ingestor"), options) as store,
        sender(broker, PI, tmp_path) as out,
    ):
        await heard.wait_connected()
        await out.proxy.restore()
        out.send(3)
        await until(lambda: out.outbox.unconfirmed == 3)
        await asyncio.sleep(SLACK_S * resend_schedule.JITTER + TOGETHER_S)
        out.send(1)
        await until(lambda: out.outbox.unconfirmed == 4)
        await store.publish(Publication(topic, b'{"boots":{"aaaa":[[2,2],[4,9]],"bbbb":[[1,9]]}}', qos=0))
        await until(lambda: out.count("resent_total", why="evidence") >= 2)
        messages = [Readings.parse(one.payload) for one in await heard.receive(100)]
        while len(messages) < 6:
            messages += [Readings.parse(one.payload) for one in await heard.receive(100)]
        originals = {one.seq: one.model_copy(update={"source": one.source}) for one in messages[:4]}
        assert [one.resent for one in messages[:4]] == [None] * 4
        assert [(one.seq, one.resent) for one in messages[4:6]] == [(1, 1), (3, 1)]
        assert all(one.samples == originals[one.seq].samples for one in messages[4:6])
        assert out.outbox.unconfirmed == 2
        assert out.count("receipts_unknown_total") == 2


async def test_an_ingestor_that_is_away_gets_nothing_twice(broker: Broker, database: Database, tmp_path: Path) -> None:
    """The broker has it all: but for the probes nothing is sent again, however long it takes."""
    await broker.add_device(PI)
    async with table(database) as asked, sender(broker, PI, tmp_path) as out:
        at = settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.05)
        async with ingesting(at):
            await out.proxy.restore()
            out.send(1)
            await until(lambda: out.outbox.has_receipts)
        began_s = time.monotonic()
        for _ in range(10):
            out.send(40)
            await asyncio.sleep(0.3)
        async with ingesting(at):
            await until(lambda: not out.outbox.waiting + out.outbox.unconfirmed)
            await until_equal(asked.entered, 401)
            assert await asked.readings() == 401
        assert out.count("resent_total", why="evidence") == 0
        assert out.count("resent_total", why="probe") <= 1 + (time.monotonic() - began_s) / PROBE_S
