"""Two Pis read the same product; a spec version that one of them gets first is wrong, and the system takes it back."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from device.simulator import SimulatedP1Meter
from gateway.specs.rollouts.models import Limits
from meters.wires.encode.p1 import encode_p1
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import HEADER, acme
from tests.rigs.whole_loop import TOKEN, Loop, whole_loop

pytestmark = pytest.mark.timeout(600)
LIMITS = Limits(window_s=60, least_telegrams=5)
READ_BY = "SELECT count(*) > 0 FROM message e JOIN device d ON d.id = e.device_id WHERE d.name = $1 AND e.spec = $2"
BACK = (
    "SELECT e.spec = 'acme-one@1' AND e.received_at > r.changed_at FROM message e JOIN device d ON d.id = e.device_id, "
    "spec_rollout r WHERE d.name = 'pi-1' AND e.kind = 1 AND r.version = $1 ORDER BY e.received_at DESC LIMIT 1"
)
WITHDRAWN = "SELECT figures::text FROM spec_rollout WHERE version = $1 AND state = 'withdrawn' AND author = 'system'"
VERSION = "SELECT t.version FROM desired t JOIN device d ON d.id = t.device_id WHERE d.name = $1"
COUNTED = (
    "SELECT sum((detail -> 'undecodable')::int) FROM event WHERE event = 'decode_counts' AND detail ->> 'spec' = $1"
)
TEN_TIMES = "quirks: [{why: a slip of the pen, address: '1-0:1.8.1', do: scale, by: 10}]"
FREQUENCY = "points: [{obis: '1-0:14.7.0', unit: Hz}]"


def needs_frequency() -> str:
    """A version whose author had a meter that sends its frequency; these don't."""
    lines = ["1-0:1.8.0(001234.567*kWh)", "1-0:1.7.0(00.482*kW)", "1-0:14.7.0(50.01*Hz)"]
    text = acme(version=3, more=FREQUENCY).replace(acme().partition("hex: '")[2].partition("'")[0],
                                                   encode_p1(HEADER, lines).hex())  # fmt: skip
    return text.replace("'1-0:1.7.0': '0.482'", "'1-0:1.7.0': '0.482', '1-0:14.7.0': '50.01'")


async def test_a_wrong_version_is_taken_back_by_itself(broker: Broker, database: Database, tmp_path: Path) -> None:
    """A scaler ten times too large, then a version that decodes nothing: pi-1 is back on the old one each time."""
    first, second = (SimulatedP1Meter(serial=f"1234567{n}", header=HEADER, gas_serial="") for n in (1, 2))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        whole_loop(broker, database, tmp_path, judge_s=0.5, rollout=LIMITS) as loop,
        first,
        second,
        aiohttp.ClientSession(headers=headers) as http,
    ):

        async def call(method: str, path: str, **more: Any) -> Any:
            async with http.request(method, f"{loop.api_url}/api/v1{path}", **more) as response:
                document = await response.json(content_type=None)
                assert response.status == 200, document
                return document

        async def publish(text: str, **query: str) -> Any:
            return await call("POST", "/specs", params={"publish": "true", **query}, data=text.encode())

        await loop.eventually("SELECT count(*) > 0 FROM spec")
        await publish(acme())
        await call("PATCH", "/parameters", json={"reading_interval_s": 0.5, "publish_interval_s": 0.5})
        for device, meter in (("pi-1", first), ("pi-2", second)):
            await loop.start_agent(device, (meter.port,))
        for device in ("pi-1", "pi-2"):
            await loop.eventually(READ_BY, device, "acme-one@1")
        untouched = await loop.connection.fetchval(VERSION, "pi-2")
        await call("PATCH", "/devices/pi-1/labels", json={"site": "warsaw"})

        done = await publish(acme(version=2, more=TEN_TIMES), canary="site=warsaw")
        assert (done["state"], done["devices"]) == ("canary", ["pi-1"])
        assert "1-0:1.8.1 jumped" in await taken_back(loop, 2)

        done = await publish(needs_frequency(), canary="pi-1")
        assert done["devices"] == ["pi-1"]
        assert "can't be decoded" in await taken_back(loop, 3)

        assert await loop.connection.fetchval(VERSION, "pi-2") == untouched
        assert not await loop.connection.fetchval(READ_BY, "pi-2", "acme-one@2")
        assert await loop.connection.fetchval(COUNTED, "acme-one@3") >= LIMITS.least_telegrams
        key = await loop.connection.fetchval("SELECT key FROM meter WHERE key LIKE '%12345671'")
        assert (await call("GET", f"/meters/{quote(key, safe='')}/latest"))["spec"] == "acme-one@1"


async def taken_back(loop: Loop, version: int) -> str:
    """Wait until the system has withdrawn a version and readings come by the old one again; the figures."""
    figures: str = await loop.eventually(WITHDRAWN, version, within_s=120)
    await loop.eventually(BACK, version, within_s=120)
    return figures
