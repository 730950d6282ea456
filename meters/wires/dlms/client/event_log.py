"""Event logs (profile generic with a clock and a code, IEC 62056-62 4.3.6) read by range, or the newest by entry."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.client.association import Agreed
from meters.wires.dlms.client.profile import (
    BUFFER,
    CAPTURED,
    IN_USE,
    METER_CLOCK,
    PERIOD,
    PROFILE,
    Reading,
    by_range,
    captured_objects,
)
from meters.wires.dlms.client.profile_entries import by_entry, number
from meters.wires.dlms.client.profile_limits import limits
from meters.wires.dlms.client.reading import NAME, OPEN, as_frame, fetch
from meters.wires.dlms.client.services import Attribute, Refused
from meters.wires.encode.dlms import code

NEWEST: Final = 500
"""Entries that are asked for where the meter does not select by time."""


def event_log(
    agreed: Agreed, start_at: datetime, end_at: datetime, zone: tzinfo, name: str, who: Sequence[Attribute] = (),
    newest: int = NEWEST,
) -> Reading:  # fmt: skip
    """The entries whose stamps lie in start_at to end_at (aware), as profile.py reads intervals.

    An event log has no period: a meter that refuses ranges is asked for its `newest` entries. Raises FrameError where
    it refuses that, too.
    """
    columns, period, buffer = (Attribute(PROFILE, code(name), index) for index in (CAPTURED, PERIOD, BUFFER))
    head = yield from fetch([NAME, OPEN, METER_CLOCK, columns, period, *who], agreed)
    captured = head[columns]
    if isinstance(captured, Refused):
        raise FrameError("meter_refused", f"the meter does not give {columns}: {captured}")
    captured_objects(captured)
    selected = Attribute(PROFILE, buffer.name, BUFFER, by_range(*limits(start_at, end_at, zone, head[METER_CLOCK])))
    rows = (yield from fetch([selected], agreed))[selected]
    if isinstance(rows, Refused):
        in_use = Attribute(PROFILE, buffer.name, IN_USE)
        count = number((yield from fetch([in_use], agreed))[in_use])
        entries = Attribute(PROFILE, buffer.name, BUFFER, by_entry(max(1, count - newest + 1), max(1, count)))
        rows = (yield from fetch([entries], agreed))[entries]
    if isinstance(rows, Refused):
        raise FrameError(
            "meter_refused", f"the meter gives no entries of {name}, neither by range nor by entry: {rows}"
        )
    found = {**head, buffer: rows}
    return as_frame({one: got for one, got in found.items() if isinstance(got, bytes) and one != METER_CLOCK})
