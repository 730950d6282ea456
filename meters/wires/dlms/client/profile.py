"""Load profiles read by range or by entry (profile generic, IEC 62056-62 4.3.6), into one frame of their own."""

from collections.abc import Generator
from datetime import datetime, timedelta, tzinfo
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame
from meters.wires.dlms.axdr import Node, read
from meters.wires.dlms.client.association import Agreed
from meters.wires.dlms.client.reading import CLOCK, DATA, DEMAND, EXTENDED, NAME, OPEN, REGISTER, as_frame, fetch
from meters.wires.dlms.client.services import Attribute, Got, Refused
from meters.wires.dlms.clock import read_clock
from meters.wires.encode.dlms import array, clock, code, integer, octets, structure

PROFILE: Final = 7
BUFFER, CAPTURED, PERIOD, IN_USE = 2, 3, 4, 7
LOAD_PROFILE: Final = "1-0:99.1.0"
METER_CLOCK: Final = Attribute(CLOCK, bytes((0, 0, 1, 0, 0, 255)))
MAX_COLUMNS: Final = 64
_SCALER_INDEX: Final = {REGISTER: 3, EXTENDED: 3, DEMAND: 4}
_BY_RANGE, _BY_ENTRY = 1, 2
_SUMMER: Final = 0x80
_UNKNOWN: Final = -0x8000

Reading = Generator[bytes, bytes, Frame]


def profile(agreed: Agreed, start_at: datetime, end_at: datetime, zone: tzinfo, name: str = LOAD_PROFILE) -> Reading:
    """The intervals whose stamps lie in start_at to end_at (aware), both included.

    The columns, their scalers and the period are read first. The range is asked in the meter's own time: with its
    deviation from UTC where its clock states one, else as wall-clock time of `zone`. A meter that refuses ranges is
    asked by entry: those that reach back to start_at, which may be more. Raises FrameError where it refuses that, too.
    """
    columns, period, buffer = (Attribute(PROFILE, code(name), index) for index in (CAPTURED, PERIOD, BUFFER))
    head = yield from fetch([NAME, OPEN, METER_CLOCK, columns, period], agreed)
    captured = captured_objects(_needed(head, columns))
    scalers = yield from fetch([one for one in map(_scaler, captured) if one is not None], agreed)
    stated = head[METER_CLOCK]
    limits = [clock_octets(at, zone, stated) for at in (start_at, end_at)]
    selected = Attribute(PROFILE, buffer.name, BUFFER, by_range(*limits))
    rows = (yield from fetch([selected], agreed))[selected]
    if isinstance(rows, Refused):
        rows = yield from _by_entries(agreed, buffer.name, _period_s(head[period]), stated, start_at)
    if isinstance(rows, Refused):
        raise FrameError("meter_refused", f"the meter gives no rows of {name}, neither by range nor by entry: {rows}")
    found = {**head, **scalers, buffer: rows}
    return as_frame({one: got for one, got in found.items() if isinstance(got, bytes) and one != METER_CLOCK})


def captured_objects(octets_of_columns: bytes) -> tuple[Attribute, ...]:
    """What the columns of a profile are. Raises FrameError where that says nothing."""
    node, _ = read(octets_of_columns, 0)
    found = []
    for entry in node if isinstance(node, list) else ():
        column = column_of(entry)
        if column is None:
            raise FrameError("malformed", "a column of a load profile without class and code")
        found.append(column)
    if not 0 < len(found) <= MAX_COLUMNS:
        raise FrameError("malformed", f"a load profile of {len(found)} columns")
    return tuple(found)


def column_of(entry: Node) -> Attribute | None:
    """One captured object: class, code, attribute, and the place of the value in it; None where it is none."""
    if not isinstance(entry, list) or len(entry) < 3:
        return None
    kind, name, index = entry[:3]
    if not (isinstance(kind, tuple) and isinstance(name, bytes) and len(name) == 6 and isinstance(index, tuple)):
        return None
    return Attribute(kind[0], name, index[0]) if 0 <= kind[0] <= 0xFFFF and 0 <= index[0] <= 0xFF else None


def by_range(start: bytes, end: bytes) -> bytes:
    """Selector 1: rows whose clock lies between two stamps, in all columns."""
    restricting = structure(integer(CLOCK, 2), octets(METER_CLOCK.name), integer(2, -1), integer(0, 2))
    return bytes((_BY_RANGE,)) + structure(restricting, octets(start), octets(end), array())


def by_entry(first: int, last: int) -> bytes:
    """Selector 2: rows by their number from 1, in all columns; 0 as `last` is the last one there is."""
    return bytes((_BY_ENTRY,)) + structure(integer(first), integer(last), integer(1, 2), integer(0, 2))


def clock_octets(at: datetime, zone: tzinfo, stated: Got) -> bytes:
    """An instant as the meter's clock would state it, whose own time stands in `stated`."""
    local = at.astimezone(zone)
    node = read(stated, 0)[0] if isinstance(stated, bytes) else None
    own = read_clock(node) if isinstance(node, bytes) else None
    offset = local.utcoffset() or timedelta()
    deviation_min = _UNKNOWN if own is None or own.at is None else -int(offset.total_seconds() // 60)
    return clock(local.replace(tzinfo=None), deviation_min, _SUMMER if local.dst() else 0)


def _by_entries(
    agreed: Agreed, name: bytes, period_s: int, stated: Got, start_at: datetime
) -> Generator[bytes, bytes, Got]:
    """The newest rows, as many as reach back to an instant by the meter's clock and period."""
    in_use = Attribute(PROFILE, name, IN_USE)
    count = _number((yield from fetch([in_use], agreed))[in_use])
    node = read(stated, 0)[0] if isinstance(stated, bytes) else None
    now = read_clock(node) if isinstance(node, bytes) else None
    if now is None or now.at is None or period_s <= 0 or count <= 0:
        return Refused(9)
    wanted = int((now.at - start_at).total_seconds() // period_s) + 2
    attribute = Attribute(PROFILE, name, BUFFER, by_entry(max(1, count - wanted + 1), count))
    return (yield from fetch([attribute], agreed))[attribute]


def _scaler(column: Attribute) -> Attribute | None:
    index = _SCALER_INDEX.get(column.kind)
    return Attribute(column.kind, column.name, index) if index is not None and column.kind != DATA else None


def _needed(head: dict[Attribute, Got], attribute: Attribute) -> bytes:
    got = head[attribute]
    if isinstance(got, Refused):
        raise FrameError("meter_refused", f"the meter does not give {attribute}: {got}")
    return got


def _period_s(got: Got) -> int:
    return _number(got)


def _number(got: Got) -> int:
    node = read(got, 0)[0] if isinstance(got, bytes) else None
    return node[0] if isinstance(node, tuple) else 0
