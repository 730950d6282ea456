"""What the bridge tells the store: proposals of what a device announces, and sources that it does not hear."""

import json

from intake.bridge.discovery.announcement import Place, entities
from intake.bridge.discovery.draft import Draft, drafted
from intake.bridge.store import propose_source
from intake.notices.store import add_source_event
from store.pool import open_pool
from tests.rigs.servers import Database

ANNOUNCED = {
    "dev": {"ids": ["0x1"], "name": "Washer", "mf": "TuYa"}, "dev_cla": "energy", "stat_cla": "total_increasing",
    "unit_of_meas": "kWh", "stat_t": "zigbee2mqtt/Washer", "uniq_id": "0x1_energy",
    "val_tpl": "{{ value_json.energy }}",
}  # fmt: skip


def _draft() -> Draft:
    found = entities(Place("sensor", "energy", "0x1"), json.dumps(ANNOUNCED).encode())
    draft = drafted(found[0].device, found, "wattline/v1")
    assert draft is not None
    return draft


async def propose(database: Database, *names: str) -> None:
    """A proposal for each name, the last one the newest."""
    draft = _draft()
    async with open_pool(database.dsn("wattline_intake"), min_size=1, max_size=1, application_name="test") as pool:
        for name in names:
            detail = {"meters": list(draft.meters), "device": {"name": "Washer"}, "left_out": {"lqi": "no quantity"}}
            await propose_source(
                pool, "ours", f"device:{name}", "homeassistant", name, draft.topics, draft.document, detail, 10
            )


async def not_bridged(database: Database, source: str, reason: str) -> None:
    """What the bridge tells of a source that it can't subscribe to."""
    async with open_pool(database.dsn("wattline_intake"), min_size=1, max_size=1, application_name="test") as pool:
        await add_source_event(pool, source, "source_not_bridged", {"reason": reason})
