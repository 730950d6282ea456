"""What engineers publish by hand on config/desired, and what the broker loses: the store has the last word."""

import asyncio
import json
from typing import Any

from broker.contract.messages import Desired
from broker.contract.topics import Kind
from broker.mqtt.session import Publication
from tests.rigs.gateway import (
    Watcher,
    entered,
    events,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    report,
    rows,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


def edited(desired: Desired, **changes: Any) -> bytes:
    """What an engineer publishes who changes some fields of a message and leaves out its hash."""
    document = json.loads(desired.payload())
    del document["hash"]
    return json.dumps({**document, **changes}).encode()


async def newer(seen: Watcher, version: int) -> Desired:
    found: Desired = await until(
        lambda: (d := seen.desired("d1")) and d.version >= version and d.hash and d, f"version {version} is retained"
    )
    return found


async def test_a_whole_message_by_hand_is_adopted_under_its_author(broker: Broker, database: Database) -> None:
    """A valid message keeps its version and becomes the device's own layer, which outlives the next registration."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        first = await newer(seen, 1)
        parameters = {**json.loads(first.payload())["parameters"], "reading_interval_s": 2.5}
        by_hand = edited(first, version=2, author="anna", parameters=parameters)
        await send(engineer, broker.topics, Kind.DESIRED, "d1", by_hand)
        adopted = await newer(seen, 2)
        assert (adopted.version, adopted.author) == (2, "hand (for anna)")
        assert adopted.parameters.reading_interval_s == 2.5
        assert adopted.meters == first.meters
        view = await running.get("/devices/d1/parameters")
        assert view["version"] == 2
        assert view["layers"][1]["parameters"] == {"reading_interval_s": 2.5}
        assert view["layers"][1]["author"] == "hand (for anna)"
        other = p1_meter("ZZZ:2", port="/dev/ttyUSB1")
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(), other))
        after = await newer(seen, 3)
        assert after.parameters.reading_interval_s == 2.5
    assert (await events(database, "desired_adopted"))[0]["detail"]["changes"] == {"reading_interval_s": 2.5}


async def test_a_short_message_by_hand_is_completed(broker: Broker, database: Database) -> None:
    """What the message leaves out stays: the completed one has the next version, so that the device takes it."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        first = await newer(seen, 1)
        async with running.http.patch(f"{running.url}/api/v1/devices/d1/parameters", json={"raw_frames": True}) as done:
            assert done.status == 200
        await newer(seen, 2)
        short = b'{"version": 7, "parameters": {"log_level": "debug"}}'
        await send(engineer, broker.topics, Kind.DESIRED, "d1", short)
        adopted = await newer(seen, 8)
        assert (adopted.version, adopted.author) == (8, "hand")
        assert adopted.parameters.log_level == "debug"
        assert adopted.parameters.raw_frames is True
        assert adopted.meters == first.meters
    assert (await events(database, "desired_adopted"))[0]["detail"]["changes"] == {"log_level": "debug"}


async def test_a_spec_set_by_hand_is_pinned(broker: Broker, database: Database) -> None:
    """A published spec named for a meter holds over the best match, also after the next registration."""
    await broker.add_device("d1")
    key = "KFM:E0026000123456789"
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        first = await newer(seen, 1)
        pinned = (await rows(database, "SELECT name || '@' || version AS ref FROM spec WHERE name = 'lgz-e350-p1'"))[0]
        await send(
            engineer, broker.topics, Kind.DESIRED, "d1", edited(first, version=2, meters={key: {"spec": pinned["ref"]}})
        )
        assert (await newer(seen, 2)).meters[key].spec == pinned["ref"]
        await until(lambda: pinned["ref"] in seen.specs(), "the pinned spec is retained")
        changed = p1_meter(addresses=("1-0:1.8.0", "1-0:2.8.0"))
        other = p1_meter("ZZZ:2", port="/dev/ttyUSB1")
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(changed, other))
        assert (await newer(seen, 3)).meters[key].spec == pinned["ref"]


REFUSED = [
    ("payload", b"not json"),
    ("parameters.reading_interval_s", b'{"version": 9, "parameters": {"reading_interval_s": 0}}'),
    (
        "parameters.reading_intervall_s",
        b'{"version": 9, "parameters": {"reading_intervall_s": 5, "log_level": "debug"}}',
    ),
    ("parameter", b'{"version": 9, "parameter": {"log_level": "debug"}}'),
    ("parameters.obis_include.0", b'{"version": 9, "parameters": {"obis_include": ["energy"]}}'),
    ("version", b'{"version": 1, "parameters": {"log_level": "debug"}}'),
    ("version", b'{"version": 9007199254740992}'),
    ("payload", b'{"version": 9, "hash": "00"}'),
    ("meters", b'{"version": 9, "meters": {"ZZZ:other": {"spec": "generic-p1@1"}}}'),
    ("meters.KFM:E0026000123456789.spec", b'{"version": 9, "meters": {"KFM:E0026000123456789": {"spec": "no@1"}}}'),
    ("payload", b"x" * 300_000),
]


async def test_a_bad_message_by_hand_is_replaced(broker: Broker, database: Database) -> None:
    """An invalid or stale message is kept in quarantine, told of by field, and gives way to the last good one."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        good = await newer(seen, 1)
        for field, payload in REFUSED:
            times = seen.times("d1") + 2
            await send(engineer, broker.topics, Kind.DESIRED, "d1", payload)
            await until(
                lambda times=times: seen.times("d1") == times and seen.desired("d1") == good, f"{field}: it is back"
            )
    told = [event["detail"] for event in await events(database, "desired_refused")]
    assert [detail["field"] for detail in told] == [field for field, _ in REFUSED]
    assert "reading_interval_s" in told[2]["fix"]
    assert not await events(database, "desired_adopted")
    kept = await rows(database, "SELECT data FROM frame ORDER BY id")
    assert [bytes(row["data"]) for row in kept] == [payload for _, payload in REFUSED]


async def test_a_removed_message_is_restored(broker: Broker, database: Database) -> None:
    """Clearing the retained message of a device brings it back, with an event."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        good = await newer(seen, 1)
        await send(engineer, broker.topics, Kind.DESIRED, "d1", b"")
        await until(lambda: seen.times("d1") == 3 and seen.desired("d1") == good, "it is back")
    assert len(await events(database, "desired_removed")) == 1


async def test_own_publications_coming_back_change_nothing(broker: Broker, database: Database) -> None:
    """Many quick changes over the API end in one configuration with as many versions and no event of a stranger."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await newer(seen, 1)
        url = f"{running.url}/api/v1/devices/d1/parameters"
        for interval in range(1, 31):
            async with running.http.patch(url, json={"reading_interval_s": interval}) as done:
                assert done.status == 200
        last = await newer(seen, 31)
        assert last.parameters.reading_interval_s == 30
        echoed = "wattline_gateway_messages_total"

        async def settled() -> bool:
            dealt = [await running.metric(echoed, kind="config/desired", result=one) for one in ("echo", "in_step")]
            return sum(dealt) == seen.times("d1")

        await until(settled, "all echoes are dealt with")
    assert not await rows(database, "SELECT FROM event WHERE event LIKE 'desired%'")
    assert (await rows(database, "SELECT version FROM desired"))[0]["version"] == 31


async def test_what_the_broker_lost_is_published_again(broker: Broker, database: Database) -> None:
    """Retained messages that vanish, and those that change, while the gateway is away are put right at its start."""
    await broker.add_devices("d1", "d2")
    settings = gateway_settings(broker, database)
    async with watching(broker) as seen, entered(broker, "gateway") as other:
        async with gateway(settings), entered(broker, "d1") as device, entered(broker, "d2") as second:
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            await send(second, broker.topics, Kind.REGISTRATION, "d2", registration(p1_meter("ZZZ:2")))
            good = await newer(seen, 1)
            await until(lambda: seen.desired("d2"), "both are retained")
        spec = next(iter(seen.specs()))
        name, _, version = spec.partition("@")
        topic = broker.topics.spec(name, int(version))
        before = seen.newest[topic]
        await other.publish(Publication(topic, b"", retain=True))
        await other.publish(Publication(broker.topics.of(Kind.DESIRED, "d1"), b"", retain=True))
        await other.publish(Publication(broker.topics.of(Kind.DESIRED, "ghost"), good.payload(), retain=True))
        await until(lambda: seen.newest.get(topic) == b"", "they are gone")
        async with gateway(gateway_settings(broker, database)):
            await until(lambda: seen.desired("d1") == good, "desired is back")
            await until(lambda: seen.newest[topic] == before, "the spec is back")
            await until(lambda: seen.newest[broker.topics.of(Kind.DESIRED, "ghost")] == b"", "no device, no message")
            assert seen.times("d2") == 1
    assert (await events(database, "desired_without_device"))[0]["detail"] == {"device": "ghost"}


async def test_a_device_ahead_of_the_store_is_overtaken(broker: Broker, database: Database) -> None:
    """A device that applied a higher version than the store knows gets the store's content under a higher one still."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        first = await newer(seen, 1)
        await send(device, broker.topics, Kind.REPORTED, "d1", report(12))
        after = await newer(seen, 13)
        assert (after.version, after.parameters, after.meters) == (13, first.parameters, first.meters)
        await send(device, broker.topics, Kind.REPORTED, "d1", report(13))
        await asyncio.sleep(0)
    assert (await rows(database, "SELECT max(version) AS v FROM desired_history"))[0]["v"] == 13


async def test_a_time_before_the_year_1_is_refused_as_any_other_bad_payload(broker: Broker, database: Database) -> None:
    """A time that can't be told in UTC goes to quarantine, and the messages behind it are taken."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        good = registration(p1_meter())
        bad = json.dumps({**json.loads(good), "at": "0001-01-01T00:00:00+14:00"}).encode()
        await send(device, broker.topics, Kind.REGISTRATION, "d1", bad)
        await send(device, broker.topics, Kind.REGISTRATION, "d1", good)
        first = await newer(seen, 1)
        by_hand = edited(first, version=2, at="0001-01-01T00:00:00+14:00")
        await send(engineer, broker.topics, Kind.DESIRED, "d1", by_hand)
        await until(lambda: seen.desired("d1") == first, "the stored one is put back")
        refused = await until(lambda: events(database, "desired_refused"), "the refusal is told")
        assert refused[0]["detail"]["field"] == "at"
        found = await rows(database, "SELECT topic FROM quarantine ORDER BY id")
        assert [row["topic"].rsplit("/", 1)[1] for row in found] == ["registration", "desired"]
