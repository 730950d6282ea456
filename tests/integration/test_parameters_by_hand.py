"""mosquitto_pub as the engineer's hand on config/desired, and a broker that differs from the store."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from broker.contract.messages import Desired, MeterConfig, Parameters
from broker.contract.topics import Kind
from deploy.local.stack import LocalStack
from gateway.desired.store import set_desired
from tests.rigs.gateway import connection, events, gateway, gateway_settings, rows, watching
from tests.rigs.parameters import register
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def by_hand(stack: LocalStack, broker: Broker, device: str, *words: str, payload: bytes = b"") -> None:
    """Publish retained on a device's config/desired as an engineer types it."""
    program = stack.toolchain.mosquitto_pub
    assert program is not None, "mosquitto_pub is missing: install the package mosquitto-clients"
    topic = broker.topics.of(Kind.DESIRED, device)
    running = await asyncio.create_subprocess_exec(
        program, "-V", "5", "-i", f"hand-{secrets.token_hex(4)}", "-h", broker.host, "-p", str(broker.port),
        "-u", "engineer", "-P", broker.password("engineer"), "-q", "1", "-r", "-t", topic, *words,
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.wait_for(running.communicate(payload), 60)
    assert running.returncode == 0


async def test_an_engineer_with_mosquitto_pub(
    stack: LocalStack,
    broker: Broker,
    database: Database,
    record_property: Callable[[str, object], None],
) -> None:
    """Valid: a version under their name. Stale, wrong, misspelt or deleted: the last good one is back within a second.

    How long it took, from the end of mosquitto_pub, is noted; a second is demanded of the fastest, as the machine
    may be busy with other things.
    """
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)) as running:
        await register(broker, seen, "d1")
        await by_hand(
            stack, broker, "d1", "-m", '{"version": 2, "author": "anna", "parameters": {"reading_interval_s": 2}}'
        )
        await until(lambda: (d := seen.desired("d1")) and d.version == 2 and d.hash, "it is adopted and sealed")
        good = seen.desired("d1")
        assert good is not None
        assert (good.author, good.parameters.reading_interval_s) == ("hand (for anna)", 2)
        history = (await running.get("/devices/d1/parameters/history"))["items"]
        assert [(one["author"], one["reason"]) for one in history] == [("hand (for anna)", "published by hand")]
        altered = json.loads(good.payload()) | {"version": 9}
        wrong = [
            ("version", b'{"version": 1, "parameters": {"reading_interval_s": 3}}'),
            ("payload", json.dumps(altered).encode()),
            ("parameters.reading_interval_s", b'{"version": 9, "parameters": {"reading_interval_s": 0}}'),
            ("parameters.reading_interval", b'{"version": 9, "parameters": {"reading_interval": 3}}'),
            ("payload", b"reading_interval_s=3"),
        ]
        took_s = []

        async def back(*words: str, payload: bytes = b"") -> None:
            times = seen.times("d1") + 2
            await by_hand(stack, broker, "d1", *words, payload=payload)
            sent_at = time.monotonic()
            await until(
                lambda: seen.times("d1") >= times and seen.desired("d1") == good, f"{payload!r}: the good one is back"
            )
            took_s.append(round(time.monotonic() - sent_at, 3))

        for number, (name, payload) in enumerate(wrong):
            await back("-s", payload=payload)

            async def told(number: int = number) -> bool:
                return len(await events(database, "desired_refused")) == number + 1

            await until(told, "an event says what was wrong")
            assert (await events(database, "desired_refused"))[number]["detail"]["field"] == name
        sql = "SELECT actor, path, status, result FROM audit WHERE action = 'publishByHand' ORDER BY id"
        audited = await rows(database, sql)
        assert [(one["actor"], one["status"]) for one in audited] == [("hand", 200)] + [("hand", 422)] * len(wrong)
        assert all(one["path"].endswith("/devices/d1/config/desired") for one in audited)
        assert all(one["result"].startswith(name) for one, (name, _) in zip(audited[1:], wrong, strict=True))
        await back("-n")
        assert len(await events(database, "desired_removed")) == 1
    record_property("replaced_s", took_s)


async def test_by_hand_software_that_does_not_know_a_parameter(
    stack: LocalStack, broker: Broker, database: Database
) -> None:
    """A parameter that the device's software does not know is refused by name also here."""
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)):
        await register(broker, seen, "old", knows=("reading_interval_s", "publish_interval_s"))
        good = seen.desired("old")
        await by_hand(stack, broker, "old", "-m", '{"version": 5, "parameters": {"raw_frames": true}}')

        async def refused() -> bool:
            return bool(await events(database, "desired_refused"))

        await until(refused, "it is refused")
        await until(lambda: seen.desired("old") == good, "the last good one is back")
        assert (await events(database, "desired_refused"))[0]["detail"]["field"] == "parameters.raw_frames"
        await by_hand(stack, broker, "old", "-m", '{"version": 5, "parameters": {"reading_interval_s": 4}}')
        await until(lambda: (d := seen.desired("old")) and d.version == 6, "one that it knows is adopted")
        taken = seen.desired("old")
        assert taken is not None
        assert taken.parameters.reading_interval_s == 4


async def test_what_the_broker_lacks_is_found_without_a_new_connection(broker: Broker, database: Database) -> None:
    """Lost, outdated and a spec that is missing: all as the store has it after a round, and an event tells of it."""
    spec = "generic-p1@1"
    lost = Desired(
        version=4, parameters=Parameters(log_level="debug"), meters={"LGZ:1": MeterConfig(spec=spec)}
    ).sealed()
    newer = Desired(version=7, parameters=Parameters(reading_interval_s=3)).sealed()
    async with watching(broker) as seen, gateway(gateway_settings(broker, database, reconcile_s=1.5)) as running:
        await register(broker, seen, "d1", "d2")

        async def whole(rounds: int = 1) -> bool:
            return await running.metric("wattline_gateway_retained_compared_total", result="whole") >= rounds

        await until(whole, "a round finds nothing to do")
        assert await events(database, "broker_repaired") == []
        assert spec not in seen.specs()
        # as if the broker had lost what it acknowledged: the service's own session hears nothing of it
        async with connection(database) as opened, opened.transaction():
            await opened.execute("INSERT INTO device (name, registered_at) VALUES ('d3', now())")
            for name, desired in (("d3", lost), ("d1", newer)):
                device_id = await opened.fetchval("SELECT id FROM device WHERE name = $1", name)
                document = json.loads(desired.payload())
                values = (device_id, desired.version, str(desired.hash), document, "system", datetime.now(UTC))
                await set_desired(opened, [values])
                await opened.execute("UPDATE desired SET announced = version WHERE device_id = $1", device_id)
        await until(lambda: seen.desired("d3") == lost and seen.desired("d1") == newer, "all is as the store has it")
        await until(lambda: spec in seen.specs(), "with the spec that one of them names")
        repaired = [one["detail"] for one in await events(database, "broker_repaired")]
        assert sum(one["missing"] for one in repaired) == 1
        assert sum(one["altered"] for one in repaired) == 1
        rounds = await running.metric("wattline_gateway_retained_compared_total", result="whole")
        await until(lambda: whole(int(rounds) + 1), "the next round finds nothing to do")
    assert await events(database, "desired_refused") == []
    assert await events(database, "desired_adopted") == []
