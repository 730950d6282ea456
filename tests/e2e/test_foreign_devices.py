"""Foreign devices from mosquitto_pub to a reading: the bridge keeps what they publish, the worker maps it."""

import asyncio
import secrets

from deploy.local.stack import LocalStack
from meters.mappings.catalogue import named
from tests.rigs.bridging import add_source, bridging, settings
from tests.rigs.gateway import rows
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

READINGS = "SELECT obis, value FROM named_reading WHERE meter = $1 ORDER BY obis"


async def _publish(stack: LocalStack, broker: Broker, topic: str, body: str) -> None:
    """As any MQTT client does: mosquitto_pub by a login of the role `foreign`."""
    program = stack.toolchain.mosquitto_pub
    assert program is not None, "mosquitto_pub is missing: install the package mosquitto-clients"
    process = await asyncio.create_subprocess_exec(
        program, "-h", broker.host, "-p", str(broker.port), "-i", "plug", "-u", "foreign",
        "-P", broker.password("foreign"), "-q", "1", "-V", "mqttv311", "-t", topic, "-m", body,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


async def test_from_a_foreign_client_to_a_reading(stack: LocalStack, broker: Broker, database: Database) -> None:
    """Two families of devices, by the shipped mappings as they are, and a payload again is no second reading."""
    device = f"plug-{secrets.token_hex(4)}"
    for name in ("tasmota-energy", "shelly-rpc"):
        await add_source(database, name, [], named(name).text)
    async with bridging(settings(broker, database, discovery=False)), working(worker_settings(database)):
        energy = '{"Time":"2026-11-23T11:00:00","ENERGY":{"Total":3.185,"Power":11}}'
        await _publish(stack, broker, f"tele/{device}/SENSOR", energy)
        status = (
            '{"method":"NotifyStatus","params":{"ts":1763892000,"switch:0":{"apower":8.9,"aenergy":{"total":6532.3}}}}'
        )
        await _publish(stack, broker, f"{device}/events/rpc", status)
        await _publish(stack, broker, f"{device}/events/rpc", status)
        await until_equal(
            lambda: _readings(database, f"TASMOTA:{device}"), [("1-0:1.8.0", 3.185), ("1-0:16.7.0", 0.011)]
        )
        await until_equal(
            lambda: _readings(database, f"SHELLY:{device}-0"), [("1-0:1.8.0", 6.5323), ("1-0:16.7.0", 0.0089)]
        )
        states = "SELECT state, count(*) AS n FROM payload GROUP BY state"
        await until_equal(lambda: rows(database, states), [{"state": "mapped", "n": 3}])


async def _readings(database: Database, meter: str) -> list[tuple[str, float]]:
    return [(row["obis"], row["value"]) for row in await rows(database, READINGS, meter)]
