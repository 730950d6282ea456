"""The lists that meters push, whichever layout they have, into neutral records.

By OBIS code where the list carries codes: entries of their own (Aidon), code and value in turn, with scaler and unit
behind them or not (Kamstrup, Kaifa in Sweden and Austria), or the push object list in front (Landis+Gyr, Iskra, the
Swiss recommendation). A value without a code has its place as address, `#4/13` being the fourth of thirteen: which
code that is, a spec says.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from broker.contract.obis import Obis
from meters.telegram import ProfileRow, Record
from meters.wires.dlms.axdr import Node
from meters.wires.dlms.clock import BYTES, read_clock
from meters.wires.dlms.profile_rows import BUFFER, COLUMNS, PERIOD, PROFILE_CLASS, profile_rows
from meters.wires.sml_units import DLMS_UNITS

MAX_RECORDS: Final = 4096
_CODE_BYTES: Final = 6
_MEDIA_MAX: Final = 9
"""A of a code: 0 to 9 are media; the octets of a MAC address or a number hardly ever look so and end in 255, too."""
_MAX_SCALER: Final = 64
_PUSH_SETUP: Final = (25, 9)
"""C and D of a push setup object: its name stands in a list for itself, without a value."""
_PUSH_SETUP_CLASS: Final = 40
_ASSOCIATION_CLASS: Final = 15
_VALUE, _SCALER_UNIT, _NAME = 2, 3, 1
_DEMAND_CLASS, _LAST_AVERAGE, _DEMAND_SCALER_UNIT = 5, 3, 4


class Element(NamedTuple):
    """One value of the outermost list, and where its octets stand in the message."""

    node: Node
    start: int
    end: int


class Placed(NamedTuple):
    """A record, and where the octets stand that gave it."""

    record: Record
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list says: its records, the push setup that it names itself after, '' where none, and a profile's rows.

    `asked` where it is no push but what a client read (meters.wires.dlms.client.reading).
    """

    placed: tuple[Placed, ...]
    push: str = ""
    profile: tuple[ProfileRow, ...] = ()
    asked: bool = False


class _Found:
    """What is gathered while a list is read."""

    def __init__(self) -> None:
        self.placed: list[Placed] = []
        self.places: dict[str, int] = {}
        self.push = ""
        self.profile: tuple[ProfileRow, ...] = ()
        self.asked = False

    def add(
        self, address: str, node: Node, start: int, end: int, scaler: int | None = None, unit: str | None = None
    ) -> None:
        """Enter one value."""
        if len(self.placed) >= MAX_RECORDS:
            return
        index = self.places.get(address, 0)
        self.places[address] = index + 1
        width, at = None, None
        value: Decimal | str | bytes | None
        if isinstance(node, tuple):
            value, width = Decimal(node[0]), node[1]
            if scaler:
                value = value.scaleb(scaler)
        elif isinstance(node, list):
            value = None
        else:
            value = node
            if isinstance(node, bytes) and len(node) == BYTES:
                at = read_clock(node)
        self.placed.append(Placed(Record(address, value, unit, at, None, scaler, width, index), start, end))


def read_list(elements: list[Element], count: int) -> Listed:
    """The records of a message's outermost list, which says that it has `count` elements."""
    found = _Found()
    objects = next((names for one in elements[:2] if (names := _push_objects(one.node))), None)
    if objects is not None:
        _by_objects(found, elements, objects)
    else:
        _walk(found, elements, count)
    return Listed(tuple(found.placed), found.push, found.profile, found.asked)


def _walk(found: _Found, elements: list[Element], count: int) -> None:
    place = 0
    while place < len(elements):
        node, start, end = elements[place]
        place += 1
        if isinstance(node, list):
            if not _entry(found, node, start, end):
                _walk(found, [Element(inner, start, end) for inner in node], len(node))
            continue
        code = _code(node)
        if code is not None and _is_push_setup(node):
            found.push = code
        elif code is not None and place < len(elements):
            value, _, end = elements[place]
            place += 1
            scaled = _scaler_unit(elements[place].node) if place < len(elements) else None
            if scaled is not None:
                end = elements[place].end
                place += 1
            found.add(code, value, start, end, *(scaled or ()))
        else:
            found.add(f"#{place}/{count}", node, start, end)


def _entry(found: _Found, node: list[Node], start: int, end: int) -> bool:
    """Whether a list is an entry of its own: a code, a value, and scaler and unit or not."""
    code = _code(node[0]) if 2 <= len(node) <= 4 else None
    if code is None:
        return False
    scaled = _scaler_unit(node[2]) if len(node) > 2 else None
    found.add(code, node[1], start, end, *(scaled or ()))
    return True


def _by_objects(found: _Found, elements: list[Element], objects: list[tuple[int, bytes, int]]) -> None:
    """Values in the order of the push object list that stands in front of them; it is an object of itself, or not."""
    first = next(place for place, one in enumerate(elements) if _push_objects(one.node))
    itself = objects[0][0] == _PUSH_SETUP_CLASS and objects[0][2] == _VALUE
    if objects[0][0] == _PUSH_SETUP_CLASS:
        found.push = _address(objects[0][1])
    values = elements[first + 1 :]
    names = objects[1:] if itself else objects
    found.asked = any(kind == _ASSOCIATION_CLASS for kind, *_ in names)
    scalers = {
        name: _scaler_unit(one.node)
        for (kind, name, attribute), one in zip(names, values, strict=False)
        if attribute == (_DEMAND_SCALER_UNIT if kind == _DEMAND_CLASS else _SCALER_UNIT) and kind != PROFILE_CLASS
    }
    of_profile: dict[tuple[bytes, int], Node] = {}
    for (kind, name, attribute), (node, start, end) in zip(names, values, strict=False):
        if kind == PROFILE_CLASS:
            of_profile[name, attribute] = node
        elif kind not in (_PUSH_SETUP_CLASS, _ASSOCIATION_CLASS) and (
            attribute == _VALUE or (kind, attribute) == (_DEMAND_CLASS, _LAST_AVERAGE)
        ):
            found.add(_address(name), node, start, end, *(scalers.get(name) or ()))
    for name in (name for name, attribute in of_profile if attribute == BUFFER):
        columns, period = of_profile.get((name, COLUMNS)), of_profile.get((name, PERIOD))
        found.profile += profile_rows(columns, period, of_profile[name, BUFFER], scalers)


def _push_objects(node: Node) -> list[tuple[int, bytes, int]] | None:
    """Class, name and attribute of each object of a push object list (IEC 62056-6-2, push setup, attribute 2)."""
    if not isinstance(node, list) or not node:
        return None
    found = []
    for one in node:
        if not isinstance(one, list) or len(one) < 4:
            return None
        kind, name, attribute = one[:3]
        if not (isinstance(kind, tuple) and isinstance(name, bytes) and isinstance(attribute, tuple)):
            return None
        if len(name) != _CODE_BYTES:
            return None
        found.append((kind[0], name, attribute[0]))
    return found


def _scaler_unit(node: Node) -> tuple[int, str | None] | None:
    """Scaler and unit of a structure of both; None where it is none."""
    if not isinstance(node, list) or len(node) != 2:
        return None
    scaler, unit = node
    if not (isinstance(scaler, tuple) and isinstance(unit, tuple)) or scaler[1] != -1 or unit[1] != 1:
        return None
    return (scaler[0], DLMS_UNITS.get(unit[0])) if abs(scaler[0]) <= _MAX_SCALER else None


def _code(node: Node) -> str | None:
    if not isinstance(node, bytes) or len(node) != _CODE_BYTES or node[0] > _MEDIA_MAX or node[5] != 0xFF:
        return None
    return _address(node)


def _is_push_setup(node: Node) -> bool:
    return isinstance(node, bytes) and (node[2], node[3]) == _PUSH_SETUP


@lru_cache(maxsize=4096)
def _address(name: bytes) -> str:
    return str(Obis.from_bytes(name))
