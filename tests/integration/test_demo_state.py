"""What the demo's terminal says of the store."""

import time

from deploy.demo.state import State
from tests.integration.rollup_rig import store_of
from tests.servers import Database

FRAMES = (
    "INSERT INTO frame (received_at, topic, kind, reason, data, delivery)"
    " SELECT now(), 't', 'frame', r, '', gen_random_uuid() FROM unnest($1::text[]) r"
)


async def test_frames_that_somebody_asked_for_are_not_counted_as_undecoded(database: Database) -> None:
    """`requested` ones were decoded as well; the others gave no reading."""
    state = State()
    async with store_of(database) as store:
        await store.connection.execute(FRAMES, ["requested", "requested", "no_spec", "undecodable", "bad_frame"])
        await state.look(store.connection, time.monotonic())
    assert state.quarantined == 3
