"""Replies of M-Bus meters into neutral records: heads, variable and fixed data, and the facts that tell the product."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.mbus.fixed import fixed_records
from meters.wires.mbus.history import stored_rows
from meters.wires.mbus.link import LONG_HEADER, Reply, parts
from meters.wires.mbus.obis import MEDIA, obis_of
from meters.wires.mbus.records import HEADS, DataRecord, read_records

SHORT_HEADER, FIXED, APPLICATION_ERROR, ALARM = 0x7A, 0x73, 0x70, 0x71
_STATES: Final = ("", "busy", "application error", "abnormal condition")
_FLAGS: Final = {2: "power low", 3: "permanent error", 4: "temporary error"}
_ENCRYPTED: Final = frozenset({2, 3, 4, 5, 7, 8, 9, 10, 13})
_STAMP_BYTES: Final = 6
_TEXTS: Final = ("model", "hardware", "firmware", "software", "customer-location")


@dataclass(frozen=True, slots=True)
class Head:
    """What precedes the records: who answers, and how it fares; the medium as its code, -1 where there is none."""

    manufacturer: str = ""
    serial: str = ""
    version: str = ""
    medium: int = -1
    status: int = 0


def parse_mbus(frame: Frame) -> Telegram:
    """The telegram of a reply, of all its frames where it has several.

    Raises FrameError for an application error, encrypted data, and what can't be read.
    """
    records: list[Record] = []
    raw: list[DataRecord] = []
    facts: dict[str, str] = {}
    head = Head()
    for reply in parts(frame.data):
        found, head = _read(reply, frame, head, raw)
        records += found
        facts |= _facts(head)
    counted = _numbered(records)
    for record in counted:
        name = record.address
        if name in _TEXTS and record.value is not None:
            facts[{"model": "product"}.get(name, name)] = str(record.value).strip()
    time = next((r.at for r in counted if r.address == "time" and r.at is not None), None)
    stored = stored_rows(raw, neutral((replace(one, storage=0) for one in raw), head))
    return Telegram(Wire.MBUS, tuple(counted), {n: t for n, t in facts.items() if t}, time, stored, frame.data)


def _read(reply: Reply, frame: Frame, before: Head, raw: list[DataRecord]) -> tuple[list[Record], Head]:
    if reply.information == APPLICATION_ERROR:
        code = f" {reply.user[0]}" if reply.user else ""
        raise FrameError("meter_error", f"the meter answers with application error{code}", data=frame.data)
    if reply.information == FIXED:
        found = fixed_records(reply.user)
        if found is None:
            raise FrameError("malformed", "fixed data of another length than 16", data=frame.data)
        head = Head("", found.serial, "", found.medium, found.status)
        return list(found.records), head
    if reply.information not in HEADS:
        raise FrameError("unsupported", f"data of CI field {reply.information:02x}", data=frame.data)
    head = read_head(reply, before)
    try:
        records, _ = read_records(reply.user, HEADS[reply.information])
    except FrameError as error:
        raise FrameError(error.reason, error.detail, offset=error.offset, data=frame.data) from error
    raw += records
    return neutral(records, head), head


def read_head(reply: Reply, before: Head | None = None) -> Head:
    """The head of a variable reply. Raises FrameError where it is torn, or what follows is encrypted."""
    user, size = reply.user, HEADS[reply.information]
    if len(user) < size:
        raise FrameError("malformed", "the head of the reply is torn", offset=len(user), data=user)
    if size == 0:
        return before or Head()
    status, mode = user[size - 3], user[size - 1] & 0x1F
    if mode in _ENCRYPTED:
        raise FrameError("encrypted", f"encrypted data (mode {mode}) need the meter's key", data=user)
    if reply.information != LONG_HEADER:
        return Head(medium=(before or Head()).medium, status=status)
    maker = int.from_bytes(user[4:6], "little")
    letters = "".join(chr(64 + (maker >> shift & 0x1F)) for shift in (10, 5, 0))
    named = letters if letters.isalpha() and letters.isupper() else ""
    return Head(named, user[3::-1].hex().upper(), str(user[6]), user[7], status)


def _facts(head: Head) -> dict[str, str]:
    states = [_STATES[head.status & 3], *(text for bit, text in _FLAGS.items() if head.status >> bit & 1)]
    return {
        "manufacturer": head.manufacturer,
        "serial": head.serial,
        "version": head.version,
        "medium": MEDIA.get(head.medium, (f"{head.medium:02x}", 0))[0] if head.medium >= 0 else "",
        "status": ", ".join(state for state in states if state),
    }


def neutral(records: Iterable[DataRecord], head: Head) -> list[Record]:
    """Records as all protocols have them: under their OBIS code where there is one, else under their own address."""
    records = list(records)
    stored = {one.storage: one.at for one in reversed(records) if one.at is not None and _is_stamp(one)}
    found = []
    for one in records:
        error = one.vib.error
        at = one.at if one.at is not None else stored.get(one.storage) if one.storage else None
        found.append(
            Record(
                obis_of(head.medium, one) or address_of(one),
                one.value,
                one.vib.meaning.unit if isinstance(one.value, Decimal) else None,
                at,
                error << 8 | head.status,
                _scaler(one),
                one.width,
            )
        )
    return found


def _is_stamp(record: DataRecord) -> bool:
    """A date with its time of day, which says when all values of its storage were taken; a day alone does not."""
    plain = not (record.function or record.tariff or record.subunit or record.vib.more)
    return plain and record.vib.meaning.name == "time" and record.end - record.start >= _STAMP_BYTES


def address_of(record: DataRecord) -> str:
    """`energy`, `power:max`, `volume/s1`, `voltage+7f01/t2/u3`: quantity, combinable codes, function, numbers."""
    if record.maker_data:
        return "maker-data"
    name = record.vib.meaning.name + "".join(f"+{code}" for code in record.vib.more)
    if record.function:
        name += f":{record.function}"
    numbers = (("s", record.storage), ("t", record.tariff), ("u", record.subunit))
    return (name + "".join(f"/{letter}{number}" for letter, number in numbers if number))[:40]


def _scaler(record: DataRecord) -> int | None:
    factor = record.vib.meaning.factor
    return factor.adjusted() if isinstance(record.value, Decimal) and factor != 1 else None


def _numbered(records: list[Record]) -> list[Record]:
    """With the place of each among those of the same address."""
    places: dict[str, int] = {}
    found = []
    for one in records:
        index = places.get(one.address, 0)
        places[one.address] = index + 1
        again = Record(one.address, one.value, one.unit, one.at, one.status, one.scaler, one.width, index)
        found.append(again if index else one)
    return found
