"""DSMR P1 (v2.2 to v5, ESMR and the national companions): telegrams into neutral records."""

import re

from broker.errors import FrameError
from meters.iec62056_dataset import (
    Groups,
    data_sets,
    is_p1_stamp,
    measured,
    normal_address,
    p1_stamp,
    record,
)
from meters.iec62056_framer import TextFramer
from meters.iec62056_scan import Accept
from meters.iec62056_text import unparity
from meters.telegram import Frame, MeterTime, Record, Telegram, Wire

_IDENTIFICATION = re.compile(r"([A-Za-z]{3})(?:[0-9A-Za-z])?((?:\\.)*|[\x02?])(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00\x01\x03-\x1f\x7f]")
_ERROR = re.compile(r"\(?ER[0-9]{2}\)?")
_FIRMWARE = re.compile(r"(.*?)[ _]+V([0-9][0-9A-Za-z.]*)")
_VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")
_SERIALS = ("0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0", "1-0:96.1.0", "1-0:0.0.0", "0-0:96.1.255")
_CLOCK = "0-0:1.0.0"
_OLD_SUB_METER = re.compile(r"0-[0-9]{1,3}:24\.3\.0")
_OLD_HEAD_GROUPS = 4
# Holley D545: the month's end as data sets of their own inside an open bracket; none of them is a value of now.
_OPEN_HISTORY = re.compile(r"^0-0:98\.1\.0\s*\(\s*$.*?(?:^\)|\Z)", re.MULTILINE | re.DOTALL)


class P1Framer(TextFramer):
    """The framer of a P1 port; see meters.iec62056_scan for what it bounds and how it resynchronises."""

    def __init__(self, crcs: tuple[str, ...] = (), *, any_crc: bool = False) -> None:
        super().__init__(
            Wire.P1,
            Accept(blocks=False, bare=False, identification_only=False, protocol=Wire.P1, crcs=crcs, any_crc=any_crc),
        )


def parse_p1(frame: Frame) -> Telegram:
    """The telegram of a frame. Raises FrameError where there is no data set in it."""
    text = unparity(frame.data).decode("latin-1")
    header, _, body = text.partition("\n")
    records: list[Record] = []
    places: dict[str, int] = {}
    time: MeterTime | None = None
    body = body[: body.rfind("!")] if "!" in body else body
    for name, groups in data_sets(_OPEN_HISTORY.sub("", body) if "98.1.0" in body else body):
        address = normal_address(name, reduced=True)
        if address == _CLOCK and time is None:
            time = p1_stamp(groups[0])
        if len(groups) == 1 and not is_p1_stamp(groups[0]):
            index = places.get(address, 0)
            places[address] = index + 1
            records.append(record(address, groups[0], None, index))
            continue
        _many(records, places, address, groups)
    if not records:
        raise FrameError("empty", "a telegram without data sets", data=frame.data)
    return Telegram(Wire.P1, tuple(records), _facts(header.strip("\r\n"), records), time, (), frame.data)


def _many(records: list[Record], places: dict[str, int], address: str, groups: Groups) -> None:
    """Records of several groups: a stamp belongs to the values after it; one that no value follows is a text.

    Twelve digits without S or W are a stamp only before a value with a unit.
    """
    if _OLD_SUB_METER.fullmatch(address) and len(groups) > _OLD_HEAD_GROUPS:
        _old_sub_meter(records, places, address, groups)
        return
    at: MeterTime | None = None
    for position, group in enumerate(groups):
        following = groups[position + 1] if position + 1 < len(groups) else ""
        stamped = is_p1_stamp(group) or (len(group) == 12 and "*" in following and p1_stamp(group) is not None)
        if stamped:
            at = p1_stamp(group)
            if position + 1 < len(groups) and not is_p1_stamp(following):
                continue
        index = places.get(address, 0)
        places[address] = index + 1
        if stamped:
            records.append(Record(address, group, None, at, index=index))
        else:
            records.append(record(address, group, at, index))


def _old_sub_meter(records: list[Record], places: dict[str, int], address: str, groups: Groups) -> None:
    """DSMR 2 and 3: (stamp)(status)(period)(n), n times (code)(unit), n times (value), the values on the next line."""
    at = p1_stamp(groups[0])
    records.append(Record(address, groups[1] or None, None, at, index=places.get(address, 0)))
    places[address] = places.get(address, 0) + 1
    count = int(groups[3]) if groups[3].isascii() and groups[3].isdigit() and len(groups[3]) < 3 else 0
    heads = groups[_OLD_HEAD_GROUPS : _OLD_HEAD_GROUPS + 2 * count]
    values = groups[_OLD_HEAD_GROUPS + 2 * count :]
    for code, unit, value in zip(heads[::2], heads[1::2], values, strict=False):
        channel = normal_address(code, reduced=True)
        index = places.get(channel, 0)
        places[channel] = index + 1
        amount, _ = measured(value)
        _, spelled = measured(f"*{unit}")
        records.append(Record(channel, amount, spelled, at, index=index))


def plain_id(text: str) -> str:
    """An equipment id, decoded where it is hex of printable characters (DSMR P1 6.12), without spaces.

    '' for an error message in its place, which is the same in all meters.
    """
    if _ERROR.fullmatch(text):
        return ""
    if len(text) >= 8 and len(text) % 2 == 0:
        try:
            decoded = bytes.fromhex(text)
        except ValueError:
            decoded = b""
        if decoded and decoded.isascii() and decoded.decode().isprintable():
            text = decoded.decode()
    return "".join(letter for letter in text if "!" <= letter <= "~")


def identification_facts(identification: str) -> dict[str, str]:
    """Manufacturer, product and firmware in the line after `/` (IEC 62056-21 6.3.2); a mere number is no product.

    Control characters, which do not belong there and which not every store takes, become `?`.
    """
    identification = _CONTROL.sub("?", identification)
    match = _IDENTIFICATION.fullmatch(identification)
    if match is None:
        return {"identification": identification}
    facts = {"identification": identification, "manufacturer": match.group(1).upper()}
    product = match.group(3).strip(" -")
    firmware = _FIRMWARE.fullmatch(product)
    if firmware:
        product = firmware.group(1)
        facts["firmware"] = firmware.group(2)
    if sum(letter.isalpha() for letter in product) > 1 and product.isprintable():
        facts["product"] = product
    return facts


def identification_serial(identification: str) -> str:
    """The number in an identification that names no product; '' where there is none."""
    match = _IDENTIFICATION.fullmatch(identification)
    return plain_id(match.group(3)) if match and any(letter.isdigit() for letter in match.group(3)) else ""


def _facts(header: str, records: list[Record]) -> dict[str, str]:
    facts = identification_facts(header[1:])
    texts: dict[str, str] = {}
    for entry in records:
        if isinstance(entry.value, str):
            texts.setdefault(entry.address, entry.value)
        elif entry.value is not None and entry.address in _VERSIONS:
            texts.setdefault(entry.address, str(entry.value))
    version = next((texts[address] for address in _VERSIONS if address in texts), None)
    if version:
        facts["version"] = version
    for address in _SERIALS:
        serial = plain_id(texts.get(address, ""))
        if serial.strip("0"):
            facts["serial"] = serial
            break
    if "serial" not in facts and "product" not in facts:
        serial = identification_serial(header[1:])
        facts |= {"serial": serial} if serial else {}
    return facts
