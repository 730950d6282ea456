"""An unknown meter on a real line: read by the generic spec, drafted from its own frames, published, read by that."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from device.simulator import SimulatedP1Meter
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, whole_loop

pytestmark = pytest.mark.timeout(600)
READ_BY = "SELECT count(*) > 0 FROM message WHERE kind = 1 AND spec LIKE $1"
KEPT = "SELECT count(*) >= 3 FROM frame WHERE kind = 'frame' AND meter_id IS NOT NULL"


async def test_a_published_draft_reads_the_meter_live_within_five_seconds(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """From its frames a spec is drafted and published; the agent's next readings name it, without a restart."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    meter = SimulatedP1Meter(serial="12345678", header="ZZZ5\\UNHEARD-OF", gas_serial="")
    async with whole_loop(broker, database, tmp_path) as loop, meter, aiohttp.ClientSession(headers=headers) as http:
        await loop.start_agent("pi-1", (meter.port,))

        async def call(method: str, path: str, **more: Any) -> Any:
            async with http.request(method, f"{loop.api_url}/api/v1{path}", **more) as response:
                document = await response.json()
                assert response.status == 200, document
                return document

        await loop.eventually(READ_BY, "generic-p1@%")
        fast = {"reading_interval_s": 0.5, "publish_interval_s": 0.5, "raw_frames": True}
        await call("PATCH", "/devices/pi-1/parameters", params={"wait_s": "20"}, json=fast)
        await loop.eventually(KEPT)
        (group,) = (await call("GET", "/unknown"))["items"]
        assert (group["devices"], group["meters"], group["manufacturer"]) == (1, 1, "ZZZ")
        assert group["frames"] >= 3
        draft = await call("POST", "/specs:draft", json={"group": group["group"]})
        text = draft["text"].replace("name: ''", "name: zzz-one", 1)
        done = await call("POST", "/specs", params={"publish": "true", "author": "eva"}, data=text.encode())
        assert (done["state"], done["devices"]) == ("published", ["pi-1"])
        await loop.eventually(READ_BY, "zzz-one@1")
        assert (await call("GET", "/unknown"))["items"] == []
