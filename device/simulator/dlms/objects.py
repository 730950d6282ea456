"""The objects of the simulated polled meter (IEC 62056-62): name, clock, registers with scalers, a load profile."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Final

from device.simulator.dlms.cosem_server import Value
from device.simulator.dlms.intervals import Interval, Intervals
from device.simulator.household import Registers
from meters.wires.dlms.axdr import Node
from meters.wires.dlms.client.association import ASSOCIATION
from meters.wires.dlms.client.profile import LOAD_PROFILE
from meters.wires.dlms.client.reading import CLOCK, DATA, EXTENDED, REGISTER
from meters.wires.dlms.client.services import Refused
from meters.wires.dlms.clock import read_clock
from meters.wires.encode.dlms import array, clock, code, enum, integer, octets, structure

PROFILE: Final = 7
STATUS: Final = "0-0:96.10.1"
CLOCK_NAME: Final = "0-0:1.0.0"
ENERGY_SCALER: Final = 1
"""Energy counts in 10 Wh: who takes Wh for granted is wrong by ten."""
_WH, _W, _V = 30, 27, 35
_A_DAY_S: Final = 86400
_UNDEFINED, _DENIED, _OTHER = 4, 3, 250

Now = Callable[[], int]


def stamp(second: int, zone: tzinfo, *, offset: bool = True) -> bytes:
    """A time as the meter's clock has it: without `offset` nothing tells how far it is from UTC."""
    local = datetime.fromtimestamp(second, zone)
    if not offset:
        return clock(local.replace(tzinfo=None))
    ahead = local.utcoffset()
    minutes = int(ahead.total_seconds() // 60) if ahead else 0
    return clock(local.replace(tzinfo=None), -minutes, 0x80 if local.dst() else 0)


def objects_of(
    registers: Registers,
    intervals: Intervals,
    name: str,
    serial: str,
    now: Now,
    zone: tzinfo,
    *,
    ranges: bool = True,
    offset: bool = True,
    clock_now: Now | None = None,
) -> Mapping[tuple[int, bytes], Value]:
    """All objects by class and code; without `ranges` the profile is read by entry only, `offset` as in `stamp`.

    `clock_now` is the clock's time where that is another one than the profile's.
    """
    told = clock_now or now
    found: dict[tuple[int, bytes], Value] = {
        (DATA, code("0-0:42.0.0")): _data(lambda: octets(name.encode())),
        (DATA, code("0-0:96.1.0")): _data(lambda: octets(serial.encode())),
        (DATA, code(STATUS)): _data(lambda: integer(0, 1)),
        (CLOCK, code(CLOCK_NAME)): _data(lambda: octets(stamp(told(), zone, offset=offset))),
        (EXTENDED, code("1-0:1.6.0")): _register(lambda: integer(max(0, registers.power_w)), 0, _W),
        (REGISTER, code("1-0:1.7.0")): _register(lambda: integer(max(0, registers.power_w)), 0, _W),
        (REGISTER, code("1-0:2.7.0")): _register(lambda: integer(max(0, -registers.power_w)), 0, _W),
        (REGISTER, code("1-0:1.8.0")): _register(lambda: integer(registers.import_wh // 10), ENERGY_SCALER, _WH),
        (REGISTER, code("1-0:2.8.0")): _register(lambda: integer(registers.export_wh // 10), ENERGY_SCALER, _WH),
    }
    for phase, c in enumerate((32, 52, 72)):
        found[REGISTER, code(f"1-0:{c}.7.0")] = _register(partial(_voltage, registers, phase), -1, _V)
    found[PROFILE, code(LOAD_PROFILE)] = _profile(intervals, now, zone, ranges=ranges, offset=offset)
    listed = [*found, ASSOCIATION]
    found[ASSOCIATION] = _association(array(*(_entry(kind, one) for kind, one in listed)))
    return found


def _voltage(registers: Registers, phase: int) -> bytes:
    return integer(registers.household.voltages_dv(registers.second - 1)[phase], 2)


def _entry(kind: int, name: bytes) -> bytes:
    rights = structure(array(structure(integer(2, -1), enum(1), b"\x00")), array())
    return structure(integer(kind, 2), integer(0, 1), octets(name), rights)


def _association(objects: bytes) -> Value:
    attributes = {1: octets(ASSOCIATION[1]), 2: objects}
    return lambda index, *_: attributes.get(index, Refused(_DENIED))


def _data(value: Callable[[], bytes]) -> Value:
    return lambda index, *_: value() if index == 2 else Refused(_UNDEFINED)


def _register(value: Callable[[], bytes], scaler: int, unit: int) -> Value:
    def read(index: int, *_: object) -> bytes | Refused:
        if index == 3:
            return structure(integer(scaler, -1), enum(unit))
        return value() if index == 2 else Refused(_UNDEFINED)

    return read


def _profile(intervals: Intervals, now: Now, zone: tzinfo, *, ranges: bool, offset: bool) -> Value:
    columns = ((CLOCK, CLOCK_NAME), (DATA, STATUS), (REGISTER, "1-0:1.8.0"), (REGISTER, "1-0:2.8.0"))

    def read(index: int, selector: int, selected: Node) -> bytes | Refused:
        if index == 2:
            if selector == 1 and not ranges:
                return Refused(_OTHER)
            rows = _selected(intervals, now(), zone, selector, selected)
            if selector == 1 and not offset and isinstance(selected, list):
                rows = _by_wall_clock(intervals, now(), zone, selected[1:3])
            return array(*(_row(row, zone, offset=offset) for row in rows))
        attributes = {
            3: array(*(structure(integer(k, 2), octets(code(n)), integer(2, -1), integer(0, 2)) for k, n in columns)),
            4: integer(intervals.period_s),
            7: integer(intervals.in_use(now())),
        }
        return attributes.get(index, Refused(_DENIED))

    return read


def _row(row: Interval, zone: tzinfo, *, offset: bool) -> bytes:
    energies = (integer(ws // 3600 // 10) for ws in (row.import_ws, row.export_ws))
    return structure(octets(stamp(row.end, zone, offset=offset)), integer(row.status, 1), *energies)


def _selected(intervals: Intervals, now: int, zone: tzinfo, selector: int, selected: Node) -> list[Interval]:
    if not selector or not isinstance(selected, list) or len(selected) != 4:
        return intervals.numbered(1, 0, now)
    if selector == 2:
        first, last = (one[0] if isinstance(one, tuple) else 0 for one in selected[:2])
        return intervals.numbered(first, last, now)
    since, until = (second_of(one, zone) for one in selected[1:3])
    return intervals.rows(since, until, now)


def _by_wall_clock(intervals: Intervals, now: int, zone: tzinfo, limits: list[Node]) -> list[Interval]:
    """The rows as a clock compares them that knows no offset: an end that its face shows before the start has none."""
    since, until = (second_of(one, UTC) for one in limits)
    rows = intervals.rows(since - _A_DAY_S, until + _A_DAY_S, now)
    faces = [datetime.fromtimestamp(row.end, zone).replace(tzinfo=UTC).timestamp() for row in rows]
    return [row for row, face in zip(rows, faces, strict=True) if since <= face <= until]


def second_of(limit: Node, zone: tzinfo) -> int:
    """The seconds since 1970 of a stamp; 0 where it is none."""
    at = read_clock(limit) if isinstance(limit, bytes) else None
    if at is None:
        return 0
    return int((at.at or at.local.replace(tzinfo=zone).astimezone(UTC)).timestamp())
