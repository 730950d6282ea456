"""`wattline config get|set` against a real gateway, as an engineer types it."""

import asyncio
import json

from pydantic import SecretStr

from broker.contract.topics import Kind
from cli.config.command import config
from deploy.local.process import free_port
from tests.rigs.cli import typed
from tests.rigs.gateway import entered, gateway, gateway_settings, registration, report, rows, send, watching
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def test_get_and_set_a_device_and_the_fleet(broker: Broker, database: Database) -> None:
    """What is set shows with its layer; --wait tells what the device made of it; the history knows who and why."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration())
        await until(lambda: seen.desired("d1"), "desired is retained")
        fleet = await typed(running, config, "set", "--fleet", "log_level=debug", "obis_exclude=1-0:21.*,1-0:41.*")
        assert (fleet.exit_code, fleet.output) == (0, "fleet: own parameters version 1; 1 device changed\n")
        words = ("set", "d1", "reading_interval_s=2.5", "--reason", "trial", "--author", "eva", "--wait", "20")
        setting = asyncio.create_task(typed(running, config, *words))
        await until(lambda: (d := seen.desired("d1")) and d.version == 3, "version 3 is retained")
        await send(device, broker.topics, Kind.REPORTED, "d1", report(3, reading_interval_s=2.5))
        done = await setting
        assert (done.exit_code, done.output) == (
            0, "d1: own parameters version 1; configuration version 3\nd1 applied configuration version 3\n"
        )  # fmt: skip
        assert (await typed(running, config, "get", "d1", "reading_interval_s")).output == "2.5\n"
        assert (await typed(running, config, "get", "--fleet", "log_level")).output == "debug\n"
        shown = (await typed(running, config, "get", "d1")).output
        lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
        assert lines["reading_interval_s"] == ["2.5", "device:d1"]
        assert lines["log_level"][:2] == ["debug", "fleet"]
        assert "device has info" in shown
        assert "configuration version 3, own parameters version 1; device: applied 3" in shown
        whole = json.loads((await typed(running, config, "get", "d1", "--json")).output)
        assert whole["effective"]["obis_exclude"] == ["1-0:21.*", "1-0:41.*"]
        back = json.loads((await typed(running, config, "set", "d1", "reading_interval_s=null", "--json")).output)
        assert back["effective"]["reading_interval_s"] == 10
    history = await rows(
        database, "SELECT author, reason FROM parameter_document WHERE scope = 'device:d1' ORDER BY id"
    )
    assert history[0] == {"author": "local (for eva)", "reason": "trial"}


async def test_a_refusal_and_a_silence_end_with_status_3(broker: Broker, database: Database) -> None:
    """--wait is for scripts: they see by the status that the device did not obey, and people read why."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration())
        await until(lambda: seen.desired("d1"), "desired is retained")
        silent = await typed(running, config, "set", "d1", "raw_frames=true", "--wait", "0.3")
        assert silent.exit_code == 3
        assert "d1 has not reported configuration version 2" in silent.output
        setting = asyncio.create_task(typed(running, config, "set", "d1", "raw_frames=false", "--wait", "20"))
        await until(lambda: (d := seen.desired("d1")) and d.version == 3, "version 3 is retained")
        await send(device, broker.topics, Kind.REPORTED, "d1", report(3, state="refused"))
        refused = await setting
        assert refused.exit_code == 3
        assert "d1 refused configuration version 3" in refused.output


async def test_mistakes_are_told_plainly(broker: Broker, database: Database) -> None:
    """Each mistake ends with a sentence that names the field or the place, and changes nothing."""
    await broker.add_device("d1")
    settings = gateway_settings(broker, database, api_token=SecretStr("s3cret-of-a-gateway-test"))
    async with (
        watching(broker),
        gateway(settings) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration())

        async def registered() -> bool:
            return bool(await rows(database, "SELECT FROM desired"))

        await until(registered, "the device is registered")
        told = {
            ("set", "d1", "reading_interval=5"): "known are: reading_interval_s",
            ("set", "d1", "reading_interval_s=0.01"): "a number from 0.2 to 86400",
            ("set", "d1", "log_level=loud"): "one of debug, info, warning, error",
            ("set", "d1", "outbox_limit_mib=many"): "outbox_limit_mib",
            ("set", "nobody", "raw_frames=true"): "no device 'nobody'",
            ("get", "nobody"): "no device 'nobody'",
            ("get", "d1", "colour"): "unknown parameter 'colour'",
            ("get",): "name a DEVICE, or say --fleet",
            ("set", "raw_frames=true"): "name a DEVICE first",
            ("set", "d1"): "nothing to set",
            ("set", "d1", "raw_frames"): "is no PARAMETER=VALUE",
        }
        for words, sentence in told.items():
            result = await typed(running, config, *words, WATTLINE_TOKEN="s3cret-of-a-gateway-test")
            assert result.exit_code in (1, 2), words
            assert sentence in result.output, (words, result.output)
            assert "Traceback" not in result.output
        assert "WATTLINE_TOKEN" in (await typed(running, config, "get", "d1")).output
        assert "WATTLINE_TOKEN" in (await typed(running, config, "get", "d1", WATTLINE_TOKEN="wrong")).output
    nowhere = await typed(f"http://127.0.0.1:{free_port()}", config, "get", "d1")
    assert nowhere.exit_code == 1
    assert "no gateway answers at http://127.0.0.1:" in nowhere.output
    assert "no address" in (await typed("localhost", config, "get", "d1")).output
    assert not await rows(database, "SELECT FROM parameter_document")
