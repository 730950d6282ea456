"""What the demo's terminal says of the store."""

import time

from deploy.demo.state import State
from deploy.demo.witness import Witness
from tests.rigs.rollups import store_of
from tests.rigs.servers import Database

FRAMES = (
    "INSERT INTO frame (received_at, topic, kind, reason, data, delivery)"
    " SELECT now(), 't', 'frame', r, '', gen_random_uuid() FROM unnest($1::text[]) r"
)

FLEET = """
INSERT INTO device (name, registered_at) VALUES ('pi-1', now());
INSERT INTO meter (key, device_id, spec, parent_id) VALUES
    ('TST:1', 1, 'test@1', NULL), ('GAS:1', 1, 'test@1', 1), ('NEW:1', 1, 'generic-sml@1', NULL);
INSERT INTO series (meter_id, obis, unit, kind) VALUES (1, '1-0:1.8.0', 'kWh', 'register');
INSERT INTO reading (time, value, series_id, source)
    SELECT now() - n * interval '1 second', n, 1, o.id
    FROM generate_series(1, 3) n
    JOIN reading_source o ON o.clock = 'meter' AND o.source = CASE WHEN n < 3 THEN 'live' ELSE 'redecoded' END;
"""


async def test_a_stranger_can_hold_the_line_against_what_is_said_elsewhere(database: Database) -> None:
    """As in the report: meters at ports whose product is known, and readings that devices published."""
    state = State()
    async with store_of(database) as store:
        await store.connection.execute(FLEET)
        await state.look(store.connection, time.monotonic())
    line = state.line(Witness())
    assert "1 Pi registered, 1 meter identified" in line
    assert "stored 2 " in line
    assert "made of kept frames 1" in line
    assert state.meters() == ["pi-1: GAS:1, test@1", "pi-1: NEW:1, a product that nobody knows", "pi-1: TST:1, test@1"]


async def test_frames_that_somebody_asked_for_are_not_counted_as_undecoded(database: Database) -> None:
    """`requested` ones were decoded as well; the others gave no reading."""
    state = State()
    async with store_of(database) as store:
        await store.connection.execute(FRAMES, ["requested", "requested", "no_spec", "undecodable", "bad_frame"])
        await state.look(store.connection, time.monotonic())
    assert state.quarantined == 3
