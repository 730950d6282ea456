"""What keeps keys of meters from a device: told, and no other device's fault."""

from pathlib import Path

from broker.contract.topics import Kind
from broker.mosquitto.control import Control
from broker.mosquitto.rights import ADMIN
from cli.meters import meter as meter_command
from tests.rigs.access import ROOT, ask
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, entered, events, rows
from tests.rigs.meter_keys import KEY, Certified, listening, serving
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal


async def enter(database: Database, device: str, *meters: str) -> None:
    """A device with meters at its ports, as its registration would enter them."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ($1)", device)
        await opened.execute(
            "INSERT INTO meter (key, device_id, installed_at)"
            " SELECT k, (SELECT id FROM device WHERE name = $1), now() FROM unnest($2::text[]) k",
            device, list(meters),
        )  # fmt: skip


async def test_one_device_s_refused_delivery_holds_up_nobody_else_s(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """The broker says no for the first device for ever: the second one has its key all the same."""
    first, second = Certified("pi-1"), Certified("pi-2")
    await broker.add_devices("pi-1", "pi-2")
    topic = broker.topics.of(Kind.KEYS, "pi-1")
    denied = {"rolename": "gateway", "acltype": "publishClientSend", "topic": topic}
    async with Control.open(broker.server.address(ADMIN), "admin-denies") as control:
        await control.run([{"command": "addRoleACL", **denied, "priority": 100, "allow": False}])
        try:
            async with (
                serving(broker, database, tmp_path / "master") as running,
                listening(broker, second, "pi-2"),
                entered(broker, "pi-1"),
            ):
                for device, meter in ((first, "TST:1"), (second, "TST:2")):
                    await enter(database, device.name, meter)
                    await device.certify(database)
                    assert (await ask(running, "PUT", f"/meters/{meter}/key", ROOT, json={"encryption": KEY}))[0] == 200
                await until(lambda: second.keys() == {"TST:2": {"encryption": KEY}}, "the second one has it")

                async def states() -> dict[str, str]:
                    found = (await ask(running, "GET", "/meter-keys", ROOT))[1]["items"]
                    return {one["meter"]: one["state"] for one in found}

                # the device has it before the gateway has noted so
                await until_equal(states, {"TST:1": "waiting", "TST:2": "given"})
        finally:
            await control.run([{"command": "removeRoleACL", **denied}])


async def test_more_meters_with_keys_than_a_device_takes_are_told(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """256 are given, in the order in which they were known; the others say so, in the list, an event and a metric."""
    device = Certified("pi-1")
    await broker.add_device("pi-1")
    meters = [f"TST:{number}" for number in range(1, 259)]
    async with serving(broker, database, tmp_path / "master") as running, listening(broker, device, "pi-1"):
        await enter(database, "pi-1", *meters)
        await device.certify(database)
        for meter in meters:
            assert (await ask(running, "PUT", f"/meters/{meter}/key", ROOT, json={"encryption": KEY}))[0] == 200
        await until(lambda: set(device.keys() or ()) == set(meters[:256]), "256 are there", timeout_s=60)

        async def told() -> bool:
            found = (await ask(running, "GET", "/meter-keys", ROOT))[1]["items"]
            states = {one["meter"]: one["state"] for one in found}
            return states == {meter: "given" if meter in meters[:256] else "too_many" for meter in meters}

        await until(told, "the list says it")

        async def left_out() -> list[str]:
            return list((await events(database, "meter_keys_too_many"))[-1]["detail"]["left_out"])

        # the first of them may have been told alone
        await until_equal(left_out, meters[256:])
        said = await typed(running, meter_command, "key", "list", "--token", ROOT)
        assert said.output.count("too_many") == 2
        broken = "UPDATE meter_key SET sealed = 'x', revision = revision + 1000 WHERE meter_id = (SELECT id FROM meter"
        async with connection(database) as opened:
            await opened.execute(f"{broken} WHERE key = '{meters[0]}')")
        # the gateway looks again at a change that it is told
        assert (await ask(running, "PUT", f"/meters/{meters[1]}/key", ROOT, json={"encryption": KEY}))[0] == 200
        await until(lambda: set(device.keys() or ()) == set(meters[1:257]), "it takes no other's place", timeout_s=60)

        async def not_opened() -> bool:
            found = (await ask(running, "GET", "/meter-keys", ROOT))[1]["items"]
            states = {one["meter"]: one["state"] for one in found}
            return [states[meter] for meter in (*meters[:2], *meters[256:])] == [
                "not_opened",
                "given",
                "given",
                "too_many",
            ]

        await until(not_opened, "the list says which key is at fault")


async def test_what_can_not_be_done_with_a_key_is_said_in_words(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A meter without a key, one that nobody knows, one that stands nowhere: each is named with what to do."""
    async with serving(broker, database, tmp_path / "master") as running:
        await enter(database, "pi-1", "TST:1", "TST:2")
        assert (await ask(running, "PUT", "/meters/TST:2/key", ROOT, json={"encryption": KEY}))[0] == 200
        async with connection(database) as opened:
            await opened.execute("UPDATE meter SET device_id = NULL WHERE key = 'TST:2'")
        for words, wanted in (
            (("remove", "TST:1"), "no key of TST:1 is set"),
            (("release", "TST:1"), "no key of TST:1 is set"),
            (("remove", "TST:9"), "no meter 'TST:9'"),
            (("release", "TST:2"), "TST:2 stands at no device's port: release its key once a device has registered it"),
        ):
            said = await typed(running, meter_command, "key", *words, "--token", ROOT)
            assert said.exit_code == 1
            assert wanted in said.output
            assert "meter-key" not in said.output
    assert [one["count"] for one in await rows(database, "SELECT count(*) FROM meter_key")] == [1]
