"""The agent when the broker is away: at its start, later, for long, and in the middle of publishing."""

import asyncio
import time
from pathlib import Path

from broker.contract.messages import Sample, Source
from broker.contract.topics import Kind
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.proxy import TcpProxy
from tests.rigs.recording_meters import RecordingMeter
from tests.rigs.sending import BACKFILL_AFTER_S, sender
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

P1 = "ISK:E0044007133156018"


async def test_after_an_outage_live_messages_go_first_and_nothing_is_lost_or_repeated(
    broker: Broker, tmp_path: Path
) -> None:
    """3000 messages of an outage arrive once each, marked backfill, while new ones overtake them."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, sender(broker, "pi-1", tmp_path) as out:
        out.send(3000)
        await asyncio.sleep(1.2 * BACKFILL_AFTER_S)
        out.proxy.delay_s = 0.005
        await out.proxy.restore()
        await until(lambda: platform.readings)
        out.send(5)
        await until(lambda: any(n > 3000 for n in platform.ledger()["aaaa"]))
        overtaken = 3005 - len(platform.ledger()["aaaa"])
        assert overtaken > 1000, "the live messages waited for the backlog"
        out.proxy.delay_s = 0
        await until(lambda: out.publisher.idle, timeout_s=60)
        await until(lambda: len(platform.ledger()["aaaa"]) >= 3005)
        assert sorted(platform.ledger()["aaaa"]) == list(range(1, 3006))
        sources = {reading.seq: reading.source for reading in platform.readings}
        assert {sources[n] for n in range(1, 3001)} == {Source.BACKFILL}
        assert {sources[n] for n in range(3001, 3006)} == {Source.LIVE}
        backlog = [n for n in platform.ledger()["aaaa"] if n <= 3000]
        assert backlog == sorted(backlog)


async def test_live_messages_at_the_end_of_a_backlog_are_sent_once(broker: Broker, tmp_path: Path) -> None:
    """What the backlog's reader finds while it is under way live is not sent again once it is acknowledged."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, sender(broker, "pi-1", tmp_path) as out:
        out.send(300)
        out.proxy.delay_s = 0.02
        await out.proxy.restore()
        sent = 300
        while (oldest := out.outbox.read_after(0, 1)) and oldest[0].index <= 300:
            out.send(1)
            sent += 1
            await asyncio.sleep(0.01)
        for _ in range(2):
            await until(lambda: out.publisher.idle)
            # what was wrongly sent beside the one that made it idle arrives before a message of later
            out.send(1)
            sent += 1
            await until(lambda wanted=sent: wanted in platform.ledger()["aaaa"])
        assert sorted(platform.ledger()["aaaa"]) == list(range(1, sent + 1))


async def test_a_connection_that_breaks_again_and_again_costs_repeats_only(broker: Broker, tmp_path: Path) -> None:
    """Cut in mid-flight five times: every message arrives, repeats are the same message."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, sender(broker, "pi-1", tmp_path) as out:
        out.send(1200)
        for _ in range(5):
            await out.proxy.restore()
            seen = len(platform.of(Kind.READINGS))
            await until(lambda seen=seen: len(platform.of(Kind.READINGS)) > seen or out.publisher.idle)
            await out.proxy.cut()
            out.send(20)
        await out.proxy.restore()
        await until(lambda: out.publisher.idle, timeout_s=60)
        await until(lambda: set(platform.ledger()["aaaa"]) == set(range(1, 1301)))
        by_seq: dict[int, tuple[Sample, ...]] = {}
        for reading in platform.readings:
            assert by_seq.setdefault(reading.seq, reading.samples) == reading.samples


async def test_what_an_earlier_boot_left_keeps_its_boot_and_numbers(broker: Broker, tmp_path: Path) -> None:
    """A backlog over a restart is told apart in the ledger; each boot's numbers have no gap."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform:
        async with sender(broker, "pi-1", tmp_path, boot="aaaa") as first:
            first.send(300)
            await until(lambda: first.session.last_error)
        async with sender(broker, "pi-1", tmp_path, boot="bbbb") as second:
            second.send(10)
            await second.proxy.restore()
            await until(lambda: second.publisher.idle)
        await until(lambda: sum(len(numbers) for numbers in platform.ledger().values()) >= 310)
        assert {boot: sorted(numbers) for boot, numbers in platform.ledger().items()} == {
            "aaaa": list(range(1, 301)),
            "bbbb": list(range(1, 11)),
        }


async def test_an_agent_whose_broker_is_down_at_its_start_and_later_loses_no_second(
    broker: Broker, tmp_path: Path
) -> None:
    """First start without a broker, then an outage in the middle: the meter's seconds have no gap, nor the ledger."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        RecordingMeter(serial="E0044007133156018", gas_serial="") as meter,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        await proxy.cut()
        async with agent(settings(platform, tmp_path, meter.port, port=proxy.port)):
            await until(lambda: meter.telegrams_sent >= 3)
            await proxy.restore()
            await until(lambda: platform.samples(P1))
            await proxy.cut()
            began = meter.telegrams_sent
            await until(lambda: meter.telegrams_sent >= began + 4)
            await proxy.restore()
            cut_over = time.time()
            await until(lambda: any(s.at.timestamp() > cut_over for _, s in platform.samples(P1)))
        await until(lambda: not any(platform.lost().values()))
        times = sorted({round(sample.at.timestamp()) for _, sample in platform.samples(P1)})
        assert times == meter.seconds(times[0], times[-1]), "a second is missing"
        wills = [document["online"] for document in platform.of(Kind.STATUS)]
        assert False in wills, "the last will tells of the outage"
