"""What is read at a visit: the meter's name, its objects with their scalers, and their values, into one frame.

The frame is the data-notification that the meter would push of them (IEC 62056-62, push object list: the objects in
front, then their values), with the octets of each value as they came, in HDLC. So it is read, kept and decoded again
as pushes are.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.dlms.axdr import read
from meters.wires.dlms.client.association import ASSOCIATION, Agreed
from meters.wires.dlms.client.services import Attribute, Exchange, Got, Refused, get, get_list
from meters.wires.encode.dlms import array, encode_hdlc, integer, notification, octets, structure

DATA, REGISTER, EXTENDED, DEMAND, CLOCK = 1, 3, 4, 5, 8
NAME: Final = Attribute(DATA, bytes((0, 0, 42, 0, 0, 255)))
"""The logical device name: the maker's three letters and the maker's number (IEC 62056-62 6.2.15)."""
OPEN: Final = Attribute(*ASSOCIATION, 1)
"""The name of the association that is open, which nobody but a client knows: it tells an answer from a push."""
MAX_OBJECTS: Final = 96
MANY_AT_ONCE: Final = 8
_SCALERS: Final = {REGISTER: 3, EXTENDED: 3, DEMAND: 4}
"""Which attribute is scaler and unit, by class."""
VALUES: Final = {DATA: 2, REGISTER: 2, EXTENDED: 2, DEMAND: 3, CLOCK: 2}
"""Which attribute is the value that is wanted, by class: of a demand register the last average."""
_SEGMENT_BYTES: Final = 1024

Reading = Generator[bytes, bytes, dict[Attribute, Got]]


@dataclass(slots=True)
class KnownMeter:
    """What earlier visits found out about the meter at one place; all is asked for anew where its name has changed.

    `wanted` are the objects that a spec names, empty for those that the meter lists itself.
    """

    wanted: tuple[Attribute, ...] = ()
    name: bytes = b""
    objects: tuple[Attribute, ...] = ()
    scalers: dict[Attribute, bytes] = field(default_factory=dict)
    refused: dict[Attribute, str] = field(default_factory=dict)

    @property
    def identifying(self) -> tuple[Attribute, ...]:
        """The objects that tell which meter it is, beside its name."""
        known = (one for one in self.objects if one.kind == DATA and one != NAME and one not in self.refused)
        return tuple(one for one in known if one.name[2:4] in _NUMBERS)

    def forget(self) -> None:
        """Know nothing."""
        self.name, self.objects = b"", ()
        self.scalers.clear()
        self.refused.clear()


def snapshot(known: KnownMeter, agreed: Agreed) -> Generator[bytes, bytes, Frame]:
    """All values of this moment. Raises FrameError where the meter refuses all of them."""
    first = yield from fetch([NAME, OPEN], agreed)
    name = first[NAME]
    if isinstance(name, Refused) or name != known.name:
        known.forget()
        known.name = b"" if isinstance(name, Refused) else name
    if not known.objects:
        known.objects = known.wanted or (yield from _listed())
    missing = [one for one in map(scaler_of, known.objects) if one is not None and one not in known.scalers]
    for attribute, got in (yield from fetch(missing, agreed)).items():
        if isinstance(got, bytes):
            known.scalers[attribute] = got
    wanted = [one for one in known.objects if one != NAME and one not in known.refused]
    values = yield from fetch(wanted, agreed)
    known.refused |= {one: str(got) for one, got in values.items() if isinstance(got, Refused) and got.is_for_good}
    found = {one: got for one, got in values.items() if isinstance(got, bytes)}
    if not found:
        why = next((str(got) for got in values.values()), next(iter(known.refused.values()), "it lists no register"))
        known.forget()
        raise FrameError("meter_refused", f"the meter gives no value: {why}")
    scalers = {one: known.scalers[one] for one in map(scaler_of, found) if one is not None and one in known.scalers}
    named = {one: got for one, got in first.items() if isinstance(got, bytes)}
    return as_frame({**named, **found, **scalers})


def fetch(attributes: Sequence[Attribute], agreed: Agreed) -> Reading:
    """Values or refusals by attribute, several at once where the meter does that."""
    found: dict[Attribute, Got] = {}
    together = max(1, min(MANY_AT_ONCE, (agreed.message_bytes - 16) // 11)) if agreed.many else 1
    for at in range(0, len(attributes), together):
        part = attributes[at : at + together]
        found.update(zip(part, (yield from _together(part)), strict=True))
    return found


def _together(part: Sequence[Attribute]) -> Exchange:
    """Several at once; one by one where the meter refuses that, whatever it agreed to."""
    if len(part) > 1:
        try:
            return (yield from get_list(part))
        except FrameError as error:
            if error.reason != "meter_refused":
                raise
    found: list[Got] = []
    for attribute in part:
        found += yield from get(attribute)
    return found


def scaler_of(attribute: Attribute) -> Attribute | None:
    """The attribute with scaler and unit of a register's value; None where the class has none."""
    index = _SCALERS.get(attribute.kind)
    return Attribute(attribute.kind, attribute.name, index) if index is not None else None


def as_frame(values: dict[Attribute, bytes]) -> Frame:
    """Attributes and the octets of their values as one frame."""
    objects = array(*(_described(one) for one in values))
    message = notification(structure(objects, *values.values()))
    return Frame(Wire.DLMS, encode_hdlc(message, segment_bytes=_SEGMENT_BYTES))


def _described(one: Attribute) -> bytes:
    return structure(integer(one.kind, 2), octets(one.name), integer(one.index, -1), integer(0, 2))


def _listed() -> Generator[bytes, bytes, tuple[Attribute, ...]]:
    """The objects that the association lists and that say something of consumption. Raises FrameError."""
    kind, name = ASSOCIATION
    (got,) = yield from get(Attribute(kind, name))
    if isinstance(got, Refused):
        raise FrameError(
            "meter_refused", f"the meter does not list its objects: {got}; a spec must name them (link.dlms)"
        )
    node, _ = read(got, 0)
    return tuple(_worth_reading(node if isinstance(node, list) else ()))[:MAX_OBJECTS]


def _worth_reading(entries: Iterable[object]) -> Generator[Attribute, None, None]:
    """Clock, identifiers and the registers of this moment, of a list of class, version, code and rights."""
    for entry in entries:
        if not isinstance(entry, list) or len(entry) < 3:
            continue
        kind, _, name = entry[:3]
        if not isinstance(kind, tuple) or not isinstance(name, bytes) or len(name) != 6 or kind[0] not in VALUES:
            continue
        if kind[0] != DATA or name[:4] in _IDENTIFIERS:
            now = name[5] == 0xFF
            if now:
                yield Attribute(kind[0], name, VALUES[kind[0]])


_NUMBERS: Final = (b"\x60\x01", b"\x00\x00")
"""C and D of device identifiers and meter numbers, on whichever channel."""
_IDENTIFIERS: Final = (b"\x00\x00\x60\x01", b"\x01\x00\x00\x00", b"\x01\x00\x00\x02")
"""The data objects that are read: device identifiers 0-0:96.1, meter numbers 1-0:0.0, firmware 1-0:0.2."""
