"""Each command to a running agent on a real broker: done, once, in time, or refused by name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from broker.contract.messages import FrameReason, Parameters
from broker.contract.topics import Kind
from deploy.local.process import free_port
from device.service import RESTART_STATUS, run
from device.simulator import SimulatedIecMeter, SimulatedP1Meter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.asker import Asker, asking
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

SERIAL = "E0044007133156018"
P1 = f"ISK:{SERIAL}"
EXPIRY_S = 1
DAY = Parameters(reading_interval_s=86400, publish_interval_s=3600)


@contextlib.asynccontextmanager
async def reading(
    broker: Broker, folder: Path, parameters: Parameters = DAY
) -> AsyncIterator[tuple[PlatformSide, SimulatedP1Meter, Asker]]:
    """An agent that reads a meter, and who asks it."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=parameters) as platform,
        asking(platform) as asker,
        SimulatedP1Meter(serial=SERIAL) as meter,
        agent(settings(platform, folder, meter.port)),
    ):
        await until(lambda: (r := platform.reported()) and r.specs.get(P1))
        yield platform, meter, asker


async def test_ping_read_now_and_flush(broker: Broker, tmp_path: Path) -> None:
    """Who answers; a reading out of turn, told and published at once; and what was gathered is handed over."""
    async with reading(broker, tmp_path) as (platform, _, asker):
        result = (await asker.ask("ping"))["result"]
        assert result["boot"] == platform.of(Kind.STATUS)[-1]["boot"]
        assert result["uptime_s"] > 0
        flushed = await asker.ask("flush_outbox")
        assert flushed["ok"], flushed
        count = len(platform.samples(P1))
        for n in (1, 2):
            reply = await asker.ask("read_now", {"meter": P1})
            assert reply["ok"], reply
            assert reply["result"]["readings"][P1]["values"]["1-0:1.8.1"] > 0
            await until(lambda n=n: len(platform.samples(P1)) == count + n)
        unknown = await asker.ask("read_now", {"meter": "LGZ:9"})
        assert (unknown["ok"], unknown["reasons"][0]["field"]) == (False, "arguments.meter")
        assert P1 in unknown["reasons"][0]["reason"]


async def test_frames_are_published_for_a_while(broker: Broker, tmp_path: Path) -> None:
    """Each frame travels raw whatever the interval, until told otherwise."""
    async with reading(broker, tmp_path, Parameters(reading_interval_s=3600, publish_interval_s=0.2)) as (
        platform,
        meter,
        asker,
    ):

        def raw() -> int:
            return sum(len(f.frames) for f in platform.frames if f.reason is FrameReason.REQUESTED)

        assert not raw()
        assert (await asker.ask("publish_frames", {"minutes": 1}))["ok"]
        await until(lambda: raw() >= 3)
        assert (await asker.ask("publish_frames", {"minutes": 0}))["ok"]
        sent = meter.telegrams_sent
        await until(lambda: meter.telegrams_sent > sent, "what was under way has come")
        count, sent = raw(), meter.telegrams_sent
        await until(lambda: meter.telegrams_sent >= sent + 3, "telegrams that nobody asked for")
        assert raw() == count
        refusal = await asker.ask("publish_frames", {"minutes": 1, "port": "/dev/none"})
        assert refusal["reasons"][0]["field"] == "arguments.port"


async def test_identify_finds_the_meter_again(broker: Broker, tmp_path: Path) -> None:
    """Ports are detected anew and the reply says what stands at each; readings go on."""
    async with reading(broker, tmp_path, Parameters(reading_interval_s=1, publish_interval_s=0.2)) as (
        platform,
        meter,
        asker,
    ):
        reply = await asker.ask("identify")
        assert reply["ok"], reply
        assert reply["result"]["ports"][meter.port] == {"state": "listening", "protocol": "p1", "meter": P1}
        count = len(platform.samples(P1))
        await until(lambda: len(platform.samples(P1)) > count)
        assert not platform.events("port_silent")


async def test_a_polled_meter_is_read_out_at_once(broker: Broker, tmp_path: Path) -> None:
    """read_now asks a meter that would have its turn tomorrow."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=DAY) as platform,
        asking(platform) as asker,
        SimulatedIecMeter(serial="12345678") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: (r := platform.reported()) and r.specs)
        reply = await asker.ask("read_now")
        assert reply["ok"], reply
        [values] = reply["result"]["readings"].values()
        assert values["values"]


@pytest.mark.parametrize(
    ("command", "payload", "field"),
    [
        ("fly", b"{}", "command"),
        ("ping", b"[", "payload"),
        ("ping", b'{"arguments":{"loud":1}}', "arguments.loud"),
        ("publish_frames", b"{}", "arguments.minutes"),
        ("publish_frames", b'{"arguments":{"minutes":-1}}', "arguments.minutes"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(
    broker: Broker, tmp_path: Path, command: str, payload: bytes, field: str
) -> None:
    """Nothing is done, and the reply names the command or the argument."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        asking(platform) as asker,
        agent(settings(platform, tmp_path, "/dev/nothing-here")),
    ):
        await until(lambda: platform.of(Kind.STATUS) and platform.of(Kind.REPORTED))
        reply = await asker.ask(command, payload)
        assert not reply["ok"]
        assert [reason["field"] for reason in reply["reasons"]] == [field]


async def test_a_command_that_comes_again_is_done_once(broker: Broker, tmp_path: Path) -> None:
    """The same correlation data gets the same reply, also from the next run."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, asking(platform) as asker:
        options = settings(platform, tmp_path, "/dev/nothing-here")
        async with agent(options):
            await until(lambda: platform.of(Kind.STATUS) and platform.of(Kind.REPORTED))
            first = await asker.ask("ping", correlation=b"same")
            assert await asker.ask("ping", correlation=b"same") == first
            assert (await asker.ask("ping"))["result"]["uptime_s"] > first["result"]["uptime_s"]
        async with agent(options):
            await until(lambda: len(platform.of(Kind.STATUS)) >= 3)
            assert await asker.ask("ping", correlation=b"same") == first


async def test_a_retained_command_is_ignored(broker: Broker, tmp_path: Path) -> None:
    """One that somebody retained by hand is not done at any connect, nor answered, and counted; others are done."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, asking(platform) as asker, aiohttp.ClientSession() as http:
        for command in ("restart", "ping"):
            await asker.send(command, retain=True, expiry_s=3600)
        for run_number in (1, 2):
            port = free_port()
            async with agent(settings(platform, tmp_path, "/dev/nothing-here", http_port=port)):
                await until(lambda n=run_number: len([one for one in platform.of(Kind.STATUS) if one["online"]]) == n)
                assert (await asker.ask("ping"))["ok"]
                async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
                    text = await response.text()
                assert 'wattline_device_commands_total{command="retained",result="ignored"} 2.0' in text


async def test_restart_replies_first_and_happens_once(broker: Broker, tmp_path: Path) -> None:
    """The process ends by itself with the status for its supervisor; the command again does not end the next run."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, asking(platform) as asker:
        options = settings(platform, tmp_path, "/dev/nothing-here")
        ending = asyncio.create_task(run(options, asyncio.Event()))
        await until(lambda: platform.of(Kind.STATUS) and platform.of(Kind.REPORTED))
        reply = await asker.ask("restart", correlation=b"again")
        assert reply["ok"]
        async with asyncio.timeout(60):
            assert await ending == RESTART_STATUS
        await until(lambda: platform.of(Kind.STATUS)[-1]["online"] is False)
        async with agent(options):
            await until(lambda: platform.of(Kind.STATUS)[-1]["online"])
            assert await asker.ask("restart", correlation=b"again") == reply
            assert (await asker.ask("ping"))["ok"]


async def test_an_expired_command_is_not_begun(broker: Broker, tmp_path: Path) -> None:
    """Given while the device is away, it is nowhere when the device comes back."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        asking(platform) as asker,
        TcpProxy(broker.host, broker.port) as proxy,
    ):
        async with agent(settings(platform, tmp_path, "/dev/nothing-here", port=proxy.port)):
            await until(lambda: platform.of(Kind.STATUS) and platform.of(Kind.REPORTED))
            assert (await asker.ask("ping"))["ok"]
            await proxy.cut()
            await asker.send("restart", expiry_s=EXPIRY_S)
            await asyncio.sleep(1.5 * EXPIRY_S)
            boot = platform.of(Kind.STATUS)[-1]["boot"]
            platform.log.clear()
            await proxy.restore()
            await until(
                lambda: [one for one in platform.of(Kind.STATUS) if one["online"]] and platform.of(Kind.REPORTED)
            )
            correlation = await asker.send("ping")
            # a reply whose PUBACK was cut off comes again
            while (found := await asker.reply())[0] != correlation:
                assert found[1]["command"] == "ping"
            assert found[1]["result"]["boot"] == boot


async def test_a_reverted_version_is_tried_again_by_command(broker: Broker, tmp_path: Path) -> None:
    """retry_config puts it on probation once more; where nothing was reverted it says so."""
    quick = Parameters(reading_interval_s=1, publish_interval_s=0.2, probation_s=2)
    async with reading(broker, tmp_path, quick) as (platform, _, asker):
        nothing = await asker.ask("retry_config")
        assert (nothing["ok"], nothing["error"]) == (False, "no version was reverted")
        await until(lambda: len(platform.samples(P1)) >= 2)
        bad = await platform.publish_desired(quick.model_copy(update={"obis_include": ("9-9:*",)}))
        await until(lambda: (r := platform.reported()) and r.state == "reverted")
        reply = await asker.ask("retry_config")
        assert reply["result"] == {"version": bad, "probation": True}
        await until(lambda: [e.detail["version"] for e in platform.events("config_reverted")] == [bad, bad])
