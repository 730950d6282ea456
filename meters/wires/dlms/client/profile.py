"""Load profiles read by range or by entry (profile generic, IEC 62056-62 4.3.6), into one frame of their own."""

from collections.abc import Generator, Sequence
from datetime import datetime, tzinfo
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame
from meters.wires.dlms.axdr import Node, read
from meters.wires.dlms.client.association import Agreed
from meters.wires.dlms.client.profile_entries import Entries, by_entry, number, wanted_entries
from meters.wires.dlms.client.profile_limits import instant_of, limits, states_offset
from meters.wires.dlms.client.reading import CLOCK, DATA, DEMAND, EXTENDED, NAME, OPEN, REGISTER, as_frame, fetch
from meters.wires.dlms.client.services import Attribute, Got, Refused
from meters.wires.encode.dlms import array, code, integer, octets, structure

PROFILE: Final = 7
BUFFER, CAPTURED, PERIOD, IN_USE = 2, 3, 4, 7
LOAD_PROFILE: Final = "1-0:99.1.0"
METER_CLOCK: Final = Attribute(CLOCK, bytes((0, 0, 1, 0, 0, 255)))
MAX_COLUMNS: Final = 64
_SCALER_INDEX: Final = {REGISTER: 3, EXTENDED: 3, DEMAND: 4}
_BY_RANGE: Final = 1

Reading = Generator[bytes, bytes, Frame]


def profile(
    agreed: Agreed, start_at: datetime, end_at: datetime, zone: tzinfo, name: str = LOAD_PROFILE,
    who: Sequence[Attribute] = (),
) -> Reading:  # fmt: skip
    """The intervals whose stamps lie in start_at to end_at (aware), both included.

    The meter's name, what else tells `who` it is, the columns, their scalers and the period are read first. The range
    is asked in the meter's own time: with its deviation from UTC where its clock states one, else as wall-clock time of
    `zone`, which may give more. A meter that refuses ranges is asked by entry, for those that reach from end_at back to
    start_at. Raises FrameError where it refuses that, too.
    """
    columns, period, buffer = (Attribute(PROFILE, code(name), index) for index in (CAPTURED, PERIOD, BUFFER))
    head = yield from fetch([NAME, OPEN, METER_CLOCK, columns, period, *who], agreed)
    captured = captured_objects(_needed(head, columns))
    scalers = yield from fetch([one for one in map(_scaler, captured) if one is not None], agreed)
    stated = head[METER_CLOCK]
    selected = Attribute(PROFILE, buffer.name, BUFFER, by_range(*limits(start_at, end_at, zone, stated)))
    rows = (yield from fetch([selected], agreed))[selected]
    if isinstance(rows, Refused):
        column = next((place for place, one in enumerate(captured) if one.kind == CLOCK), None)
        entries = Entries(buffer.name, number(head[period]), column, zone, states_offset(stated))
        rows = yield from _by_entries(agreed, entries, stated, start_at, end_at)
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


def _by_entries(
    agreed: Agreed, entries: Entries, stated: Got, start_at: datetime, end_at: datetime
) -> Generator[bytes, bytes, Got]:
    """The rows of a span by their numbers."""
    in_use = Attribute(PROFILE, entries.name, IN_USE)
    count = number((yield from fetch([in_use], agreed))[in_use])
    now_at = instant_of(read(stated, 0)[0], entries.zone) if isinstance(stated, bytes) else None
    if now_at is None or entries.period_s <= 0 or count <= 0:
        return Refused(9)

    def row(chosen: int) -> Generator[bytes, bytes, Got]:
        one = Attribute(PROFILE, entries.name, BUFFER, by_entry(chosen, chosen))
        return (yield from fetch([one], agreed))[one]

    found = yield from wanted_entries(entries, count, (start_at, end_at), now_at, row)
    if found is None:
        return array()
    attribute = Attribute(PROFILE, entries.name, BUFFER, by_entry(*found))
    return (yield from fetch([attribute], agreed))[attribute]


def _scaler(column: Attribute) -> Attribute | None:
    index = _SCALER_INDEX.get(column.kind)
    return Attribute(column.kind, column.name, index) if index is not None and column.kind != DATA else None


def _needed(head: dict[Attribute, Got], attribute: Attribute) -> bytes:
    got = head[attribute]
    if isinstance(got, Refused):
        raise FrameError("meter_refused", f"the meter does not give {attribute}: {got}")
    return got
