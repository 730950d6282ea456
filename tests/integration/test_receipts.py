"""Receipts from the ingestor to the devices, with a real broker and a real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from broker.contract.messages import Receipts
from broker.contract.topics import Kind
from broker.mqtt.session import Session, SessionOptions
from ingestor.settings import IngestorSettings
from tests.rigs.ingesting import DEADLINE_S, Device, device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal


class Heard:
    """The numbers that a device has receipts for, by boot, in the order of their coming."""

    def __init__(self) -> None:
        self.numbers: list[tuple[str, int]] = []

    async def listen(self, session: Session) -> None:
        """Take receipts, for ever."""
        async for message in session.messages():
            for boot, ranges in Receipts.parse(message.payload).boots.items():
                for first, last in (one.root for one in ranges):
                    self.numbers += [(boot, seq) for seq in range(first, last + 1)]

    def has(self, *numbers: int, boot: str = "b3f1") -> Callable[[], bool]:
        """Whether exactly these were heard."""
        return lambda: sorted(self.numbers) == [(boot, number) for number in numbers]


@contextlib.asynccontextmanager
async def hearing(broker: Broker, pi: Device) -> AsyncIterator[Heard]:
    """What the broker gives a device of its receipts, over a connection of its own."""
    heard = Heard()
    options = SessionOptions(f"{pi.name}-ears", subscriptions=((broker.topics.of(Kind.RECEIPTS, pi.name), 0),))
    async with Session(broker.address(pi.name), options) as session:
        await asyncio.wait_for(session.wait_connected(), DEADLINE_S)
        listening = asyncio.create_task(heard.listen(session))
        yield heard
        listening.cancel()
        await asyncio.wait({listening})


def hasty(broker: Broker, database: Database) -> IngestorSettings:
    """An ingestor that gathers receipts for a moment only."""
    return settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.05)


async def test_a_receipt_follows_the_commit_and_a_repeat_gets_it_again(broker: Broker, database: Database) -> None:
    """None while the transaction is open, then the numbers of all that it stored; a repeat changes only that."""
    async with (
        table(database) as asked,
        table(database) as locking,
        ingesting(hasty(broker, database)) as ingestor,
        device(broker) as pi,
        hearing(broker, pi) as heard,
    ):
        await pi.readings(3)
        await until(heard.has(1, 2, 3))
        await locking.execute("BEGIN; LOCK TABLE reading")
        last = pi.payload()
        await pi.send(last)
        held = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'reading'::regclass"
        await until_equal(lambda: asked.value(held), 1)
        # the answer to a later request passes whatever was told before it
        told = await ingestor.metric("wattline_ingestor_receipts_total")
        assert heard.has(1, 2, 3)()
        await locking.execute("COMMIT")
        await until(heard.has(1, 2, 3, 4))
        assert await ingestor.metric("wattline_ingestor_receipts_total") > told
        await pi.send(last)
        await until(heard.has(1, 2, 3, 4, 4))
        assert await asked.rows("SELECT messages, lost, repeated FROM message_gap") == [(4, 0, 1)]
        assert await ingestor.metric("wattline_ingestor_receipts_covered_total") == 5


async def test_quarantine_gives_receipts_to_who_sent_only(broker: Broker, database: Database) -> None:
    """A payload in quarantine is in the store; whatever it says, its receipt goes to the device of its topic."""
    async with (
        table(database) as asked,
        ingesting(hasty(broker, database)),
        device(broker) as pi,
        device(broker) as other,
        hearing(broker, pi) as heard,
        hearing(broker, other) as others,
    ):
        await pi.readings(1)
        await until(heard.has(1))
        own = f'"device":"{pi.name}","topic":"{broker.topics.of(Kind.READINGS, pi.name)}"'
        await other.send(b'{"boot":"b3f1","seq":9,' + own.encode() + b"}")
        await other.send(b'{"boot":"b3f1","seq":10,"samples":[NaN', Kind.EVENTS)
        await other.send(b'{"previous":{"boot":"b3f1","seq":11},"boot":"b3f1","seq":"x"}', Kind.EVENTS)
        await until(others.has(9, 10))
        await until_equal(asked.quarantined, {"invalid_message": 2, "invalid_json": 1})
        await pi.readings(1)
        await until(heard.has(1, 2))
        assert others.has(9, 10)()


async def test_what_the_database_refuses_gets_its_receipt_from_quarantine(broker: Broker, database: Database) -> None:
    """A batch is cut until the refused message stands alone; each part's messages get receipts with their commit."""
    async with (
        table(database) as asked,
        ingesting(hasty(broker, database)),
        device(broker) as pi,
        hearing(broker, pi) as heard,
    ):
        await asked.execute("ALTER TABLE reading ADD CHECK (value <> 13)")
        values = [{"at": f"2026-11-23T10:00:{n:02}Z", "values": {"1-0:1.8.0": float(n)}} for n in range(11, 16)]
        await pi.send_all([pi.payload(samples=[value]) for value in values])
        await until(heard.has(1, 2, 3, 4, 5))
        assert await asked.quarantined() == {"refused_by_database": 1}
        assert await asked.readings() == 4
        assert await asked.rows("SELECT messages, lost FROM message_gap") == [(5, 0)]


async def test_an_ingestor_that_may_not_write_receipts_stores_on(broker: Broker, database: Database) -> None:
    """The broker passes over what a role may not publish; an older ACL costs the receipts and nothing else."""
    of = hasty(broker, database).model_copy(update={"broker": broker.address("monitor")})
    async with (
        table(database) as asked,
        ingesting(of) as ingestor,
        device(broker) as pi,
        hearing(broker, pi) as heard,
    ):
        await pi.readings(2)
        await until_equal(lambda: ingestor.metric("wattline_ingestor_receipts_covered_total"), 2.0)
        await pi.readings(2)
        await until_equal(asked.readings, 12)
        # the gauge is brought up to date once a second
        await until_equal(lambda: ingestor.metric("wattline_ingestor_broker_connections"), 1.0)
        assert heard.has()()


async def test_receipts_do_not_come_back_into_the_store(broker: Broker, database: Database) -> None:
    """An ingestor of a group, which is given its own receipts like all else below the root, passes over them."""
    of = hasty(broker, database).model_copy(update={"share_group": "ingestors"})
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi, hearing(broker, pi) as heard:
        await pi.readings(3)
        await until(heard.has(1, 2, 3))
        await pi.readings(1)
        await until_equal(asked.readings, 12)
        assert await ingestor.metric('wattline_ingestor_messages_total{kind="receipts"}') == 0
        assert await ingestor.metric('wattline_ingestor_messages_total{kind="readings"}') == 4
