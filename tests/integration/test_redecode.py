"""Kept frames decoded again into history by a real worker: what comes out, at which times, and what never changes."""

from tests.integration.gateway_rig import rows
from tests.integration.redecode_rig import (
    MAIN,
    START,
    add_job,
    add_meter,
    add_spec,
    ended,
    keep,
    pushes,
    worker_settings,
    working,
)
from tests.integration.spec_rig import KEY
from tests.servers import Database


async def test_kept_frames_become_history_at_their_true_times(database: Database) -> None:
    """Each frame gives the readings of its own time, marked as decoded again; a second job changes nothing."""
    await add_meter(database)
    await keep(database, pushes(120))
    spec = await add_spec(database)
    async with working(worker_settings(database)):
        first = await ended(database, await add_job(database, spec.ref))
        assert (first["frames"], first["total_frames"], first["readings"]) == (120, 120, 240)
        assert (first["undecodable"], first["repeated"], first["refused"]) == (0, 0, 0)
        history = await rows(database, MAIN, KEY)
        assert len(history) == 240
        assert history[0] == {
            "time": START, "value": 0.482, "obis": "1-0:1.7.0", "source": "redecoded", "clock": "synced"
        }  # fmt: skip
        assert [one["value"] for one in history if one["obis"] == "1-0:1.8.0"] == [1000.567 + n for n in range(120)]
        again = await ended(database, await add_job(database, spec.ref))
        assert (again["frames"], again["readings"], again["repeated"]) == (120, 0, 240)
        assert await rows(database, MAIN, KEY) == history
