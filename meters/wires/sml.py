"""SML push telegrams (BSI TR-03109-1 IV; FNN eHZ): the messages of a file into neutral records.

Values come out after their scaler with the sign that the wire gives them. Quirks of products (EMH ED300L sends
15.7.0 absolute with the direction in the status; DZG DVS74 sends large positive power as a too narrow signed integer)
are for specs: `status`, `scaler` and `width` of each record are there for them.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from broker.contract.obis import Obis
from broker.errors import FrameError
from meters.telegram import Frame, MeterTime, Record, Telegram, Wire
from meters.wires.located import Located
from meters.wires.sml_transport import SmlScanner, crc_fits, payload
from meters.wires.sml_tree import Node, head, read, torn, width
from meters.wires.sml_units import DLMS_UNITS

_OPEN, _GET_LIST, _ATTENTION = 0x0101, 0x0701, 0xFF01
_SIGNED, _UNSIGNED, _LIST = 0x50, 0x60, 0x70
_MESSAGE_FIELDS, _ENTRY_FIELDS, _GET_LIST_FIELDS = 6, 7, 7
_MAX_RECORDS = 4096
_MAX_SCALER = 64
_MANUFACTURERS = ("129-129:199.130.3", "1-0:96.50.1*1")
_SERVER_IDS = ("1-0:96.1.0", "1-0:0.0.9", "1-0:0.0.0")
_INTEGER = b"|".join(b"[%c%c].{%d}" % (0x51 + n, 0x61 + n, n) for n in range(1, 9))
_OCTETS = b"|".join(b"%c.{%d}" % (1 + n, n) for n in range(1, 15))
_PLAIN_ENTRY = re.compile(
    rb"\x77\x07(.{6})(?:\x01|(%s))\x01(?:\x01|\x62(.))(?:\x01|\x52(.))(%s|%s)\x01" % (_INTEGER, _INTEGER, _OCTETS),
    re.DOTALL,
)
"""An entry as nearly all are: a code, perhaps a status, no stamp, unit and scaler of one octet, a value, no signature.

One step of a regular expression takes a fifth of the time that field by field takes; what is otherwise goes that way.
"""
_PLAIN_MESSAGE = re.compile(rb"\x76(?:%s)\x62.\x62.\x72\x63(.{2})" % _OCTETS, re.DOTALL)
"""The same of a message's beginning up to its tag, where that has two octets."""
_FIRMWARE, _PRODUCT = "1-0:0.2.0*0", "1-0:96.90.2*1"


class SmlFramer:
    """The framer of an SML port; see meters.wires.sml_transport for what it bounds and how it resynchronises."""

    def __init__(self) -> None:
        self.protocol = Wire.SML
        self.skipped = 0
        self._scanner = SmlScanner()

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        return self._events(self._scanner.feed(data))

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence."""
        return self._events(self._scanner.finish())

    def _events(self, found: list[Located]) -> list[Frame | FrameError]:
        self.skipped = self._scanner.skipped
        return [each.event for each in found]


class _File:
    """What is gathered while the messages of one file are read."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.places: dict[str, int] = {}
        self.server_id = b""
        self.time: MeterTime | None = None
        self.attention = ""


def parse_sml(frame: Frame) -> Telegram:
    """The telegram of a file.

    Raises FrameError for a wrong message CRC, for what is no SML, and for a file without GetList response (with the
    number of an attention response where there is one).
    """
    data = payload(frame.data)
    found = _File()
    lists = 0
    try:
        at = 0
        while at < len(data):
            if data[at] == 0x00:
                at += 1
                continue
            at, tag = _message(data, at, found)
            lists += tag == _GET_LIST
    except FrameError as error:
        raise FrameError(error.reason, error.detail, offset=error.offset, data=frame.data) from error
    if not lists:
        reason = "meter_error" if found.attention else "empty"
        detail = f"attention {found.attention}" if found.attention else "no list of values in the file"
        raise FrameError(reason, detail, data=frame.data)
    return Telegram(Wire.SML, tuple(found.records), _facts(found), found.time, (), frame.data)


def _message(data: bytes, start: int, found: _File) -> tuple[int, int]:
    """Read one message: its end, and its tag once its CRC is known to hold."""
    tag, body = _tag(data, start)
    after = body
    if tag == _GET_LIST:
        after = _get_list(data, body, found)
    else:
        node, after = read(data, body, 2)
        if isinstance(node, list):
            _other(tag, node, found)
    stated, end = read(data, after, 1)
    if not isinstance(stated, int) or not 0 <= stated <= 0xFFFF or not crc_fits(data[start:after], stated):
        raise FrameError("crc_mismatch", "the CRC of a message does not fit", offset=start)
    if data[end : end + 1] != b"\x00":
        raise torn(end, "no end of message")
    return end + 1, tag if isinstance(tag, int) else 0


def _tag(data: bytes, start: int) -> tuple[Node, int]:
    """What a message is, and where its body begins."""
    plain = _PLAIN_MESSAGE.match(data, start)
    if plain is not None:
        return int.from_bytes(plain[1], "big"), plain.end()
    kind, count, at = head(data, start)
    if kind != _LIST or count != _MESSAGE_FIELDS:
        raise torn(start, "no SML message")
    for _ in range(3):
        _, at = read(data, at, 1)
    kind, count, at = head(data, at)
    if kind != _LIST or count != 2:
        raise torn(at, "no message body")
    return read(data, at, 2)


def _other(tag: Node, node: list[Node], found: _File) -> None:
    if tag == _OPEN and len(node) > 3 and isinstance(node[3], bytes) and not found.server_id:
        found.server_id = node[3]
    elif tag == _ATTENTION and len(node) > 1 and isinstance(node[1], bytes):
        found.attention = node[1].hex()


def _get_list(data: bytes, start: int, found: _File) -> int:
    kind, count, at = head(data, start)
    if kind != _LIST or count != _GET_LIST_FIELDS:
        raise torn(start, "no GetList response")
    _, at = read(data, at, 3)
    server_id, at = read(data, at, 3)
    if isinstance(server_id, bytes) and server_id:
        found.server_id = server_id
    _, at = read(data, at, 3)
    sensor_time, at = read(data, at, 3)
    found.time = found.time or _time(sensor_time)
    if data[at : at + 1] == b"\x01":
        at += 1
    else:
        kind, count, at = head(data, at)
        if kind != _LIST or len(found.records) + count > _MAX_RECORDS:
            raise torn(at, "no list of values")
        for _ in range(count):
            at = _entry(data, at, found)
    _, at = read(data, at, 3)
    _, at = read(data, at, 3)
    return at


def _entry(data: bytes, start: int, found: _File) -> int:
    plain = _PLAIN_ENTRY.match(data, start)
    if plain is None:
        return _any_entry(data, start, found)
    name, status, unit, scaler, value = plain.groups()
    address = _address(name)
    index = found.places.get(address, 0)
    found.places[address] = index + 1
    kind = value[0]
    power = None if scaler is None else int.from_bytes(scaler, "big", signed=True)
    amount: Decimal | bytes
    wide = None
    if kind < _SIGNED:
        amount = value[1:]
    else:
        wide = 1 - len(value) if kind < _UNSIGNED else len(value) - 1
        amount = Decimal(int.from_bytes(value[1:], "big", signed=kind < _UNSIGNED))
        if power:
            if abs(power) > _MAX_SCALER:
                raise torn(start, f"a scaler of {power}")
            amount = amount.scaleb(power)
    found.records.append(
        Record(
            address,
            amount,
            None if unit is None else DLMS_UNITS.get(unit[0]),
            None,
            None if status is None else int.from_bytes(status[1:], "big", signed=status[0] < _UNSIGNED),
            power,
            wide,
            index,
        )
    )
    return plain.end()


def _any_entry(data: bytes, start: int, found: _File) -> int:
    if data[start : start + 1] != b"\x77":
        raise torn(start, "no entry of a list of values")
    name, at = read(data, start + 1, 5)
    status, at = read(data, at, 5)
    stamp, at = read(data, at, 5)
    unit, at = read(data, at, 5)
    scaler, at = read(data, at, 5)
    place = at
    value, at = read(data, at, 5)
    _, end = read(data, at, 5)
    if not isinstance(name, bytes):
        raise torn(start, "an entry without name")
    address = _address(name)
    index = found.places.get(address, 0)
    found.places[address] = index + 1
    scaler = scaler if isinstance(scaler, int) else None
    wide = None
    amount: Decimal | bytes | None
    if isinstance(value, bool):
        amount = Decimal(int(value))
    elif isinstance(value, int):
        if scaler is not None and abs(scaler) > _MAX_SCALER:
            raise torn(start, f"a scaler of {scaler}")
        amount = Decimal(f"{value}E{scaler}") if scaler else Decimal(value)
        wide = width(data, place)
    else:
        # A list as value (SML 1.05 times) stays as it stands on the wire.
        amount = data[place:at] if isinstance(value, list) else value
    found.records.append(
        Record(
            address,
            amount,
            DLMS_UNITS.get(unit) if isinstance(unit, int) else None,
            _time(stamp) if stamp is not None else None,
            status if isinstance(status, int) else None,
            scaler,
            wide,
            index,
        )
    )
    return end


@lru_cache(maxsize=4096)
def _address(name: bytes) -> str:
    return str(Obis.from_bytes(name)) if len(name) == 6 else name[:32].hex()


def _time(node: Node) -> MeterTime | None:
    """A clock's time: choice 2 (UTC seconds) or 3 (with offsets in minutes); choice 1 counts seconds and is none."""
    if not isinstance(node, list) or len(node) != 2:
        return None
    choice, value = node
    try:
        if choice == 2 and isinstance(value, int):
            at = datetime.fromtimestamp(value, UTC)
            return MeterTime(at.replace(tzinfo=None), None, at)
        if choice == 3 and isinstance(value, list) and len(value) == 3:
            seconds, offset_min, season_min = (part if isinstance(part, int) else 0 for part in value)
            at = datetime.fromtimestamp(seconds, UTC)
            local = at + timedelta(minutes=offset_min + season_min)
            return MeterTime(local.replace(tzinfo=None), season_min != 0, at)
    except (OverflowError, ValueError, OSError):
        return None
    return None


def server_text(server_id: bytes) -> tuple[str, str]:
    """The FLAG code and the serial in a server id; '' for what it does not tell.

    `0A 01 DZG 00 ..` and `09 01 ..` are ids of DIN 43863-5, written `1 DZG00 4208 2910`; `06 EMH ..` is written in hex
    as it stands on the nameplate; others are text where printable, else hex.
    """
    flag = server_id[2:5] if len(server_id) == 10 and server_id[0] in (0x09, 0x0A) else server_id[1:4]
    known = flag.isalpha() and flag.isascii() and len(server_id) >= 4
    if known and len(server_id) == 10 and server_id[0] in (0x09, 0x0A):
        digits = f"{int.from_bytes(server_id[6:], 'big'):08d}"
        text = f"{server_id[1]:X} {flag.decode().upper()}{server_id[5]:02X} {digits[:-4]} {digits[-4:]}"
        return flag.decode().upper(), text
    if known and server_id[0] in (0x06, 0x08, 0x09, 0x0A):
        return flag.decode().upper(), server_id.hex("-").upper()
    text = server_id.decode("ascii", "replace").strip("\x00 ")
    return "", text if text.isascii() and text.isprintable() else server_id.hex("-").upper()


@lru_cache(maxsize=256)
def _server_facts(server_id: bytes) -> dict[str, str]:
    flag, serial = server_text(server_id)
    facts = {"server_id": server_id.hex(), "manufacturer": flag, "serial": serial}
    return {name: text for name, text in facts.items() if text}


def _facts(found: _File) -> dict[str, str]:
    octets = {entry.address: entry.value for entry in found.records if isinstance(entry.value, bytes)}
    server_id = found.server_id or next((octets[name] for name in _SERVER_IDS if octets.get(name)), b"")
    facts = dict(_server_facts(server_id)) if server_id else {}
    for name in _MANUFACTURERS:
        text = _printable(octets.get(name, b""))[:3]
        if len(text) == 3 and text.isalpha():
            facts["manufacturer"] = text.upper()
    for name, fact in ((_FIRMWARE, "firmware"), (_PRODUCT, "product")):
        text = _printable(octets.get(name, b""))
        if text:
            facts[fact] = text
    return facts


def _printable(octets: bytes) -> str:
    text = octets.decode("ascii", "replace").strip("\x00 ")
    return text if text.isascii() and text.isprintable() else ""
