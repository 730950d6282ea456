"""Commands over the gateway's API and the command line to a real agent: recorded, bounded, and ended in every way."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import CliRunner

from broker.contract.messages import Reply
from broker.contract.topics import Kind
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from cli.__main__ import main
from device.service import run as run_agent
from device.settings import DeviceSettings
from gateway.commands.store import commands_to_publish, note_commands_published, resend_commands
from tests.rigs.gateway import (
    Gateway,
    connection,
    entered,
    gateway,
    gateway_settings,
    registration,
    rows,
    send,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def post(running: Gateway, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
    """POST below the API; status and document."""
    async with running.http.post(f"{running.url}/api/v1{path}", json=body, params=query) as response:
        return response.status, await response.json()


@contextlib.asynccontextmanager
async def agent(broker: Broker, folder: Path, device: str = "pi-1") -> AsyncIterator[None]:
    """An agent without a meter."""
    where: BrokerAddress = broker.address(device)
    options = DeviceSettings(broker=where, device_id=device, data_folder=folder / device, ports=("/dev/nothing-here",))
    stop = asyncio.Event()
    task = asyncio.create_task(run_agent(options, stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


async def online(running: Gateway, *devices: str) -> None:
    """Wait until these have registered."""

    async def there() -> bool:
        found = {one["device"]: one["registered_at"] for one in (await running.get("/devices"))["items"]}
        return all(found.get(device) for device in devices)

    await until(there, "the devices have registered")


async def test_a_command_is_done_and_recorded(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Who, when, what, why and the result; by id, in the list, and in the view for dashboards."""
    await broker.add_device("pi-1")
    async with gateway(gateway_settings(broker, database)) as running, agent(broker, tmp_path):
        await online(running, "pi-1")
        status, done = await post(
            running, "/devices/pi-1/commands/ping", author="anna", reason="is it there?", wait_s=30
        )
        assert (status, done["state"], done["author"], done["error"]) == (200, "replied", "local (for anna)", None)
        assert done["result"]["boot"]
        assert done["published_at"]
        assert done["replied_at"]
        assert await running.get(f"/commands/{done['id']}") == done
        assert (await running.get("/commands", device="pi-1", state="replied"))["items"] == [done]
        status, refused = await post(
            running, "/devices/pi-1/commands/publish_frames", {"minutes": 1, "port": "/dev/other"}, wait_s=30
        )
        assert (refused["state"], refused["refusals"][0]["field"]) == ("refused", "arguments.port")
        _, failed = await post(running, "/devices/pi-1/commands/retry_config", {}, wait_s=30)
        assert (failed["state"], failed["error"]) == ("failed", "no version was reverted")
        logged = await rows(database, "SELECT * FROM command_log ORDER BY created_at")
        assert [(one["command"], one["state"], one["author"]) for one in logged] == [
            ("ping", "replied", "local (for anna)"),
            ("publish_frames", "refused", "local"),
            ("retry_config", "failed", "local"),
        ]
        assert await running.metric("wattline_gateway_commands_total", command="ping", state="replied") == 1


async def test_a_command_is_never_retained(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Who subscribes later hears nothing of what was given before, to a device that is there or to one that is not."""
    await broker.add_device("pi-1")
    async with gateway(gateway_settings(broker, database)) as running:
        async with agent(broker, tmp_path):
            await online(running, "pi-1")
            _, done = await post(running, "/devices/pi-1/commands/ping", {}, wait_s=30)
            assert done["state"] == "replied"
        _, waiting = await post(running, "/devices/pi-1/commands/read_now", {}, timeout_s=60)
        published = "SELECT FROM command WHERE id = $1::text::uuid AND published_at IS NOT NULL"
        await until(lambda: rows(database, published, waiting["id"]), "it is published")
        late = SessionOptions("late", subscriptions=((broker.topics.commands_of("pi-1"), 1),))
        async with Session(broker.address("monitor"), late) as session:
            await session.wait_connected()
            _, newest = await post(running, "/devices/pi-1/commands/ping", {}, timeout_s=60)
            async with asyncio.timeout(30):
                # the broker gives what is retained before what comes live
                first = (await session.receive())[0]
            assert (first.retain, first.correlation) == (False, newest["id"].encode())
            first.ack()


WRONG: list[tuple[str, Any, dict[str, str], int, str]] = [
    ("/devices/d1/commands/fly", {}, {}, 422, "command"),
    ("/devices/d9/commands/ping", {}, {}, 404, "device"),
    ("/devices/d1/commands/ping", {"loud": 1}, {}, 422, "arguments.loud"),
    ("/devices/d1/commands/ping", [1], {}, 422, "body"),
    ("/devices/d1/commands/publish_frames", {"minutes": "5"}, {}, 422, "arguments.minutes"),
    ("/devices/d1/commands/ping", {}, {"timeout_s": "0"}, 422, "timeout_s"),
    ("/devices/d1/commands/restart", {}, {}, 422, "command"),
    ("/commands", {"command": "ping"}, {}, 422, "devices"),
    ("/commands", {"command": "ping", "devices": ["d1", "d9"]}, {}, 422, "devices.1"),
    ("/commands", {"command": "ping", "devices": ["d 1"]}, {}, 422, "devices.0"),
    ("/commands", {"command": "ping", "selector": "site=nowhere"}, {}, 422, "selector"),
    ("/commands", {"command": "ping", "selector": "=,"}, {}, 422, "selector.0"),
]


async def test_what_is_wrong_is_refused_by_field_and_nothing_is_sent(broker: Broker, database: Database) -> None:
    """Wrong names, arguments, devices and selectors; also a command that the device's software does not know."""
    async with connection(database) as opened:
        software = json.dumps({"software": {"version": "0.1", "commands": ["ping", "publish_frames"]}})
        await opened.execute("INSERT INTO device (name, registration) VALUES ('d1', $1::text::jsonb)", software)
    async with gateway(gateway_settings(broker, database)) as running:
        for path, body, query, status, field in WRONG:
            got, problem = await post(running, path, body, **query)
            assert (got, problem["field"]) == (status, field), (path, body, query, problem)
    assert not await rows(database, "SELECT id FROM command")


async def test_commands_are_bounded_for_each_device_and_in_all(broker: Broker, database: Database) -> None:
    """One more than allowed is refused as a whole, and says for which device."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ('d1'), ('d2'), ('d3')")
    changed = gateway_settings(broker, database, commands_per_device=2, commands_in_flight=4)
    async with gateway(changed) as running:
        for _ in range(2):
            assert (await post(running, "/devices/d1/commands/ping", {}))[0] == 200
        status, problem = await post(running, "/commands", {"command": "ping", "devices": ["d1", "d2"]})
        assert (status, "d1" in problem["detail"]) == (429, True)
        status, _ = await post(running, "/commands", {"command": "ping", "devices": ["d2", "d3"]})
        assert status == 200
        assert (await post(running, "/devices/d2/commands/ping", {}))[0] == 429
    assert len(await rows(database, "SELECT id FROM command")) == 4


async def test_a_device_that_comes_back_too_late_does_nothing(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Expired for the gateway and gone at the broker; one that still lives is done as soon as the device connects."""
    await broker.add_device("pi-1")
    async with gateway(gateway_settings(broker, database)) as running:
        async with agent(broker, tmp_path):
            await online(running, "pi-1")
        _, expired = await post(running, "/devices/pi-1/commands/restart", {}, timeout_s=1, wait_s=30)
        assert (expired["state"], expired["replied_at"]) == ("expired", None)
        _, waiting = await post(running, "/devices/pi-1/commands/ping", {}, timeout_s=60)
        async with agent(broker, tmp_path):
            done = await running.get(f"/commands/{waiting['id']}", wait_s=30)
            assert done["state"] == "replied"
            _, again = await post(running, "/devices/pi-1/commands/ping", {}, wait_s=30)
            assert again["result"]["boot"] == done["result"]["boot"], "it was restarted"
        assert (await running.get(f"/commands/{expired['id']}"))["state"] == "expired"
        assert await running.metric("wattline_gateway_commands_total", command="restart", state="expired") == 1


async def test_a_restart_of_the_gateway_in_the_middle_loses_no_reply(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A reply that comes while no gateway runs is recorded by the next one, also after the end of its time.

    A command that was entered and never published is published.
    """
    await broker.add_device("pi-1")
    options = gateway_settings(broker, database)
    async with entered(broker, "pi-1") as device:
        async with gateway(options) as running:
            await send(device, broker.topics, Kind.REGISTRATION, "pi-1", registration())
            await online(running, "pi-1")
            _, given = await post(running, "/devices/pi-1/commands/ping", {}, timeout_s=1)
            await until(
                lambda: rows(database, "SELECT id FROM command WHERE published_at IS NOT NULL"), "it is published"
            )
        reply = Reply(command="ping", ok=True, result={"late": True}).payload()
        topic = broker.topics.of(Kind.REPLIES, "pi-1")
        for _ in range(2):
            await device.publish(Publication(topic, reply, correlation=given["id"].encode()))
        over = "SELECT id FROM command WHERE id = $1 AND expires_at < now()"
        await until(lambda: rows(database, over, uuid.UUID(given["id"])), "its time is over")
        never = uuid.uuid4()
        async with connection(database) as opened:
            # as if the reply had overtaken the broker's acknowledgement
            await opened.execute("UPDATE command SET published_at = NULL")
            await opened.execute(
                "INSERT INTO command (id, batch, device_id, command, author, gateway, expires_at)"
                " SELECT $1, $1, id, 'ping', 'anna', $2, now() + interval '1 minute' FROM device WHERE name = 'pi-1'",
                never,
                options.client_id,
            )
        async with gateway(options) as running:
            done = await running.get(f"/commands/{given['id']}", wait_s=30)
            await until(lambda: _state(database, given["id"], "replied"), "the late reply counts")
            done = await running.get(f"/commands/{given['id']}")
            assert done["result"] == {"late": True}
            assert done["replied_at"] > done["expires_at"]
            assert done["published_at"]
            async with agent(broker, tmp_path, "pi-1"):
                assert (await running.get(f"/commands/{never}", wait_s=30))["state"] == "replied"
        assert len(await rows(database, "SELECT id FROM command")) == 2


async def test_when_a_command_was_published_stays_though_it_is_sent_again(broker: Broker, database: Database) -> None:
    """A device that registers anew is sent what it has not answered; the time of the first time stays."""
    await broker.add_device("pi-1")
    topic = broker.topics.commands_of("pi-1")
    async with (
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "pi-1") as device,
        Session(broker.address("pi-1"), SessionOptions("pi-1-hears", subscriptions=((topic, 1),))) as hearing,
    ):
        await hearing.wait_connected()
        await send(device, broker.topics, Kind.REGISTRATION, "pi-1", registration())
        await online(running, "pi-1")
        _, given = await post(running, "/devices/pi-1/commands/ping", {}, timeout_s=60)
        heard = hearing.messages()
        async with asyncio.timeout(30):
            (await anext(heard)).ack()
        first = "SELECT published_at FROM command WHERE published_at IS NOT NULL"
        [before] = await until(lambda: rows(database, first), "it is published")
        await send(device, broker.topics, Kind.REGISTRATION, "pi-1", registration(boot="feedbeef00000001"))
        async with asyncio.timeout(30):
            again = await anext(heard)
        assert again.correlation == given["id"].encode()
        sent = "SELECT published_at FROM command WHERE resend_at IS NULL"
        [after] = await until(lambda: rows(database, sent), "it is published again")
        assert after == before


async def test_a_device_that_connects_anew_while_it_is_sent_to_is_sent_to_once_more(database: Database) -> None:
    """What was read before the device connected anew says nothing of the connection since."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ('pi-1')")
        await opened.execute(
            "INSERT INTO command (id, batch, device_id, command, author, gateway, expires_at)"
            " SELECT gen_random_uuid(), gen_random_uuid(), 1, 'ping', 'anna', 'one', now() + interval '1 minute'"
        )
        [first] = await commands_to_publish(opened, "one", 60.0, 10)
        await note_commands_published(opened, [first.id], [first.resend_at])
        assert await commands_to_publish(opened, "one", 60.0, 10) == []
        assert await resend_commands(opened, "pi-1") == [first.id]
        [again] = await commands_to_publish(opened, "one", 60.0, 10)
        assert await resend_commands(opened, "pi-1") == [first.id]
        await note_commands_published(opened, [again.id], [again.resend_at])
        [third] = await commands_to_publish(opened, "one", 60.0, 10)
        await note_commands_published(opened, [third.id], [third.resend_at])
        assert await commands_to_publish(opened, "one", 60.0, 10) == []


async def _state(database: Database, command_id: str, state: str) -> bool:
    found = await rows(database, "SELECT state FROM command WHERE id = $1::text::uuid", command_id)
    return [one["state"] for one in found] == [state]


async def test_two_gateways_record_once_and_one_takes_over(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Both hear the reply and one row changes; what a dead gateway left unpublished the other one publishes."""
    await broker.add_device("pi-1")
    async with (
        gateway(gateway_settings(broker, database)) as one,
        gateway(gateway_settings(broker, database)) as other,
        agent(broker, tmp_path),
    ):
        await online(one, "pi-1")
        _, done = await post(other, "/devices/pi-1/commands/ping", {}, wait_s=30)
        assert done["state"] == "replied"
        name = "wattline_gateway_commands_total"

        async def counted() -> bool:
            labels = {"command": "ping", "state": "replied"}
            return await one.metric(name, **labels) + await other.metric(name, **labels) == 1

        await until(counted, "the reply counts once")
        async with connection(database) as opened:
            left = uuid.uuid4()
            await opened.execute(
                "INSERT INTO command (id, batch, device_id, command, author, gateway, expires_at, created_at)"
                " SELECT $1, $1, id, 'ping', 'anna', 'dead', now() + interval '1 minute', now() - interval '1 minute'"
                " FROM device WHERE name = 'pi-1'",
                left,
            )
        assert (await one.get(f"/commands/{left}", wait_s=30))["state"] == "replied"


async def test_the_command_line_commands_one_and_many(broker: Broker, database: Database, tmp_path: Path) -> None:
    """One device, a list and a selector; JSON; status 3 where one did not reply."""
    await broker.add_devices("pi-1", "pi-2")
    async with (
        gateway(gateway_settings(broker, database)) as running,
        agent(broker, tmp_path, "pi-1"),
        agent(broker, tmp_path, "pi-2"),
    ):
        await online(running, "pi-1", "pi-2")
        async with connection(database) as opened:
            await opened.execute("INSERT INTO device (name) VALUES ('gone')")

        async def cli(*words: str) -> tuple[int, str]:
            arguments = ["device", "--url", running.url, "command", *words]
            result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
            return result.exit_code, result.stdout

        status, shown = await cli("pi-1", "ping")
        assert (status, "pi-1: ping replied" in shown, "uptime_s" in shown) == (0, True, True), shown
        status, shown = await cli("pi-1", "ping", "--no-wait")
        assert status == 0
        newest = (await running.get("/commands", limit=1))["items"][0]["id"]
        assert shown == f"pi-1: ping sent, command {newest}\n"
        assert (await running.get(f"/commands/{newest}", wait_s=30))["state"] == "replied"
        assert (await cli("pi-1", "publish_frames", "minutes=1", "minutes=2"))[0] == 2
        status, shown = await cli("pi-1,pi-2", "publish_frames", "minutes=0.5", "--json")
        found = json.loads(shown)
        assert (status, [(one["device"], one["state"]) for one in found]) == (
            0,
            [("pi-1", "replied"), ("pi-2", "replied")],
        )
        status, shown = await cli("device=*", "ping", "--timeout", "6", "--json")
        assert status == 3
        assert {one["device"]: one["state"] for one in json.loads(shown)} == {
            "pi-1": "replied",
            "pi-2": "replied",
            "gone": "expired",
        }
        assert (await cli("pi-1", "publish_frames", "minutes=x"))[0] == 1
        assert (await cli("pi-1", "fly"))[0] == 2
        page = await running.get("/commands", limit=2)
        assert len(page["items"]) == 2
        rest = await running.get("/commands", limit=1000, cursor=page["next"])
        ids = [one["id"] for one in page["items"] + rest["items"]]
        assert len(ids) == len(set(ids)) == 7
        async with aiohttp.ClientSession() as http, http.get(f"{running.url}/api/v1/commands?cursor=W10") as response:
            assert (response.status, (await response.json())["field"]) == (422, "cursor")
