"""A real agent's own frames, decoded again by a real worker: each reading is one that the agent published itself."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.demo.http import Api
from device.simulator import SimulatedP1Meter
from tests.rigs.gateway import rows
from tests.rigs.redecoding import ended, worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, whole_loop

pytestmark = pytest.mark.timeout(600)
READ_LIVE = "SELECT count(*) > 0 FROM message WHERE kind = 1 AND spec LIKE $1"
KEPT = "SELECT count(*) >= 6 FROM frame WHERE kind = 'frame' AND reason = 'requested'"
STORED = (
    "SELECT max(m.newest_at) > (SELECT max(at) FROM frame WHERE kind = 'frame') + INTERVAL '1 second' "
    "FROM message m WHERE kind = 1"
)


async def test_frames_decoded_again_give_what_the_device_gave(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Meter and gas meter, times, units: each reading of the agent's raw frames is one that it published itself."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    meter = SimulatedP1Meter(serial="E0026000123456789")
    async with whole_loop(broker, database, tmp_path) as loop, meter, aiohttp.ClientSession(headers=headers) as http:
        # a registration that comes before the gateway has ever subscribed is kept by nobody
        await Api.wait_url_healthy(f"{loop.api_url}/healthz", lambda: None)
        await loop.start_agent("pi-1", (meter.port,))

        async def call(method: str, path: str, **more: Any) -> Any:
            async with http.request(method, f"{loop.api_url}/api/v1{path}", **more) as response:
                document = await response.json()
                assert response.status == 200, document
                return document

        await loop.eventually(READ_LIVE, "iskra-2m550@%", within_s=100)
        # an interval so short that every telegram is sampled, and every telegram is kept
        fast = {"reading_interval_s": 0.2, "publish_interval_s": 0.5, "raw_frames": True}
        await call("PATCH", "/devices/pi-1/parameters", params={"wait_s": "20"}, json=fast)
        await loop.eventually(KEPT)
        await call("PATCH", "/devices/pi-1/parameters", params={"wait_s": "20"}, json={"raw_frames": False})
        await loop.eventually(STORED)
        clocks = await rows(database, "SELECT DISTINCT hints ->> 'clock' AS clock FROM frame WHERE kind = 'frame'")
        assert [one["clock"] for one in clocks] in (["synced"], ["unsynced"])
        (spec,) = {one["spec"] for one in (await call("GET", "/meters"))["items"]}
        job = await call("POST", f"/specs/{spec.replace('@', '/')}:redecode")
        async with working(worker_settings(database)):
            done = await ended(database, job["job"])
    assert done["frames"] >= 6
    assert (done["undecodable"], done["refused"], done["readings"]) == (0, 0, 0)
    assert done["repeated"] >= 20 * done["frames"]
