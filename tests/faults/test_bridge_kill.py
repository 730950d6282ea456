"""A bridge that is killed amid load, and one whose database is away: what a broker was told is stored, once each."""

import asyncio
import secrets
from collections import Counter
from pathlib import Path

from broker.mqtt.session import Publication
from tests.rigs.bridging import BridgeProcess, add_source, bridging, foreign, payloads, settings
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

MESSAGES = 600
KILLS = 3


async def test_killed_amid_load_it_stores_each_message_once(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Equal messages, too: the topic sends ten values over and over, and as many of each are stored as were sent."""
    prefix = f"foreign/{secrets.token_hex(4)}"
    await add_source(database, "plugs", [f"{prefix}/#"])
    of = settings(broker, database, topic_per_s=10_000, source_per_s=10_000)
    bridge = BridgeProcess(of, broker, tmp_path / "bridge.log")
    await bridge.start()
    try:
        async with foreign(broker) as device:

            async def send() -> None:
                for number in range(MESSAGES):
                    await device.publish(Publication(f"{prefix}/meter", b"%d" % (number % 10)))

            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                for kill in range(KILLS):
                    await until(lambda kill=kill: _more_than(database, (kill + 1) * MESSAGES // 6))
                    await bridge.kill()
                    await bridge.start()
            await until(lambda: _more_than(database, MESSAGES - 1))
            # what came again has been judged by then, too
            await device.publish(Publication(f"{prefix}/last", b""))
            await until(lambda: _has(database, f"{prefix}/last"))
        assert await bridge.stop() == 0
    finally:
        await bridge.kill()
    counts = Counter(body for _, topic, body in await payloads(database) if topic == f"{prefix}/meter")
    assert counts == {b"%d" % value: MESSAGES // 10 for value in range(10)}


async def test_while_the_database_is_away_nothing_is_forgotten(broker: Broker, database: Database) -> None:
    """It is stored once the database is back, and health says meanwhile that it is not."""
    prefix = f"foreign/{secrets.token_hex(4)}"
    await add_source(database, "plugs", [f"{prefix}/#"])
    async with TcpProxy("127.0.0.1", _port(database)) as proxy:
        dsn = database.dsn("wattline_intake").replace(f":{_port(database)}/", f":{proxy.port}/")
        of = settings(broker, database).model_copy(update={"database_dsn": _secret(dsn)})
        async with bridging(of) as bridge, foreign(broker) as device:
            await device.publish(Publication(f"{prefix}/a", b"before"))
            await until(lambda: _more_than(database, 0))
            await proxy.cut()
            for number in range(50):
                await device.publish(Publication(f"{prefix}/a", b"%d" % number, number % 2))
            await until(lambda: bridge.metric("wattline_bridge_retries_total"))
            await proxy.restore()
            await until_equal(lambda: _count(database), 51)


def _port(database: Database) -> int:
    return int(database.dsn().rpartition(":")[2].partition("/")[0])


def _secret(text: str):  # noqa: ANN202
    from pydantic import SecretStr

    return SecretStr(text)


async def _count(database: Database) -> int:
    return len(await payloads(database))


async def _more_than(database: Database, count: int) -> bool:
    return await _count(database) > count


async def _has(database: Database, topic: str) -> bool:
    return any(one == topic for _, one, _ in await payloads(database))
