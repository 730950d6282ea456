"""A new version of a spec over the frames that are kept of real meters, before and while it is published."""

import asyncio
from pathlib import Path

import pytest

from broker.contract.topics import Kind
from cli.specs.command import spec
from meters.wires.encode.p1 import encode_p1
from tests.rigs.cli import typed
from tests.rigs.gateway import (
    connection,
    entered,
    events,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import HEADER, KEY, acme, keep_frames, post, published, telegram
from tests.rigs.waiting import until

TEN = "points: [{obis: 1-0:1.7.0, scale: '10'}]"


async def test_differences_are_listed_before_and_with_publishing(broker: Broker, database: Database) -> None:
    """A draft is compared with the version before it over the frames of its meters, and of no others."""
    await broker.add_device("d1")
    other = p1_meter("OTH:1", port="/dev/ttyUSB1", facts={"identification": "OTH5\\X"})
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY), other))
        await until(lambda: seen.desired("d1"), "desired is retained")
        first = await published(running, acme())
        assert first["comparison"] is None
        status, problem = await post(running, "/specs/acme-one/1:compare")
        assert (status, problem["field"]) == (422, "version")
        await keep_frames(database, KEY, [telegram(), telegram("001300.000"), encode_p1(HEADER, ["0-0:96.13.0()"])])
        await keep_frames(database, "OTH:1", [telegram()] * 5)
        draft = acme(version=2, kw="4.82", more=TEN)
        assert (await post(running, "/specs", draft))[0] == 200
        status, found = await post(running, "/specs/acme-one/2:compare")
        assert status == 200, found
        counts = {name: found[name] for name in ("old", "new", "frames", "meters", "same", "different", "unreadable")}
        assert counts == {
            "old": "acme-one@1", "new": "acme-one@2", "frames": 3, "meters": 1, "same": 1, "different": 2,
            "unreadable": 0,
        }  # fmt: skip
        assert found["codes"] == [{"code": "1-0:1.7.0", "frames": 2, "meters": 1}]
        assert [(one["meter"], one["old"], one["new"]) for one in found["differences"]] == [
            (KEY, "0.482 kW", "4.82 kW")
        ] * 2
        shown = await typed(running, spec, "compare", "acme-one@2")
        assert (shown.exit_code, "1 the same, 2 different" in shown.output) == (0, True)
        assert "4.82 kW" in shown.output
        status, done = await post(running, "/specs/acme-one/2:publish")
        assert (status, done["comparison"]["different"]) == (200, 2)
        assert (await post(running, "/specs/acme-one/2:publish"))[1]["comparison"] is None
        status, back = await post(running, "/specs/acme-one/1:compare", against="2")
        assert (status, back["old"], back["different"]) == (200, "acme-one@2", 2)
        assert (await post(running, "/specs/acme-one/2:compare", against="9"))[0] == 404
    told = [one["detail"] for one in await events(database, "spec_published")]
    assert [(one.get("compared_frames"), one.get("different_frames")) for one in told] == [(None, None), (3, 2)]


@pytest.mark.captures
async def test_a_thousand_frames_leave_others_served(broker: Broker, database: Database, captures: Path) -> None:
    """Only the newest thousand are decoded, in a thread: other requests are answered meanwhile."""
    frame = (captures / "sml" / "EMH_mME40-AE6AKF0K0.bin").read_bytes()[:4000]
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO meter (key, protocol, spec) VALUES ('EMH:1', 'sml', 'emh-mme40@1')",
        )
    await keep_frames(database, "EMH:1", [frame] * 1200)
    async with gateway(gateway_settings(broker, database)) as running:
        text = await typed(running, spec, "show", "emh-mme40@1", "--yaml")
        body = text.output.replace("version: 1\n", "version: 2\n", 1)
        assert (await post(running, "/specs", body))[0] == 200
        comparing = asyncio.create_task(post(running, "/specs/emh-mme40/2:compare"))
        asked = 0
        while not comparing.done():
            await running.get("/devices")
            asked += 1
        status, found = await comparing
    assert (status, found["frames"], found["same"], found["different"]) == (200, 1000, 1000, 0)
    assert asked > 1
