"""DSMR P1 (v2.2 to v5, ESMR and the national companions): telegrams into neutral records."""

import re
from dataclasses import replace
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, MeterTime, ProfileRow, Record, Telegram, Wire
from meters.wires.dlms.ciphered_p1 import START
from meters.wires.dlms.scanner import DlmsScanner
from meters.wires.dlms.telegram import deciphered
from meters.wires.iec62056_dataset import Groups, data_sets, is_p1_stamp, measured, normal_address, p1_stamp, record
from meters.wires.merged import MergedScanners
from meters.wires.meter_key import KeyNeededError, MeterKey
from meters.wires.p1_history import MONTHS, month_rows
from meters.wires.text.checks import unparity
from meters.wires.text.framer import TextFramer
from meters.wires.text.scanner import Accept, TextScanner

_IDENTIFICATION = re.compile(r"([A-Za-z]{3})(?:[0-9A-Za-z])?((?:\\.)*|[\x02?])(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00\x01\x03-\x1f\x7f]")
_ERROR = re.compile(r"\(?ER[0-9]{2}\)?")
_FIRMWARE = re.compile(r"(.*?)[ _]+V([0-9][0-9A-Za-z.]*)")
_VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")
_SERIALS = ("0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0", "1-0:96.1.0", "1-0:0.0.0", "0-0:96.1.255")
ENCRYPTED: Final = "an encrypted P1 telegram"
_CLOCK = "0-0:1.0.0"
_OLD_SUB_METER = re.compile(r"0-[0-9]{1,3}:24\.3\.0")
_OLD_HEAD_GROUPS = 4
# Holley D545: the month's end as data sets of their own inside an open bracket; none of them is a value of now.
_OPEN_HISTORY = re.compile(r"^0-0:98\.1\.0\s*\(\s*$.*?(?:^\)|\Z)", re.MULTILINE | re.DOTALL)


class P1Framer(MergedScanners):
    """The framer of a P1 port, whose telegrams may be encrypted.

    See meters.wires.text.scanner and meters.wires.dlms.scanner for what it bounds and how it resynchronises.
    """

    protocol = Wire.P1

    def __init__(self, crcs: tuple[str, ...] = (), *, any_crc: bool = False) -> None:
        super().__init__(TextScanner(_accept(crcs, any_crc=any_crc)), DlmsScanner(frozenset({Wire.P1})))


def _accept(crcs: tuple[str, ...], *, any_crc: bool) -> Accept:
    return Accept(blocks=False, bare=False, identification_only=False, protocol=Wire.P1, crcs=crcs, any_crc=any_crc)


def parse_p1(frame: Frame, key: MeterKey | None = None) -> Telegram:
    """The telegram of a frame; `key` is its meter's, for an encrypted one.

    Raises KeyNeededError for an encrypted one without a key, and FrameError: `wrong_key`, `tag_mismatch`, and `empty`
    where there is no data set in it.
    """
    return _parse_encrypted(frame, key) if frame.data[:1] == bytes((START,)) else _parse_text(frame)


def _parse_encrypted(frame: Frame, key: MeterKey | None) -> Telegram:
    try:
        text, security = deciphered(frame.data, key, ENCRYPTED)
        # the tag vouches for every octet: the telegram's own CRC may then be any, as in the Luxembourg example
        found = Frame(Wire.P1, text) if security and security.verified else _checked(text)
        telegram = _parse_text(found)
    except KeyNeededError as error:
        error.data = frame.data
        raise
    except FrameError as error:
        raise FrameError(error.reason, error.detail, data=frame.data) from error
    facts = telegram.facts | ({"system_title": security.title} if security else {})
    return replace(telegram, facts=facts, frame=frame.data, security=security)


def _checked(text: bytes) -> Frame:
    """A deciphered telegram by its own CRC. Raises FrameError where it is none."""
    framer = TextFramer(Wire.P1, _accept((), any_crc=True))
    found = next(iter((*framer.feed(text), *framer.finish())), None) if text[:1] == b"/" else None
    if isinstance(found, Frame):
        return found
    if found is not None and found.reason == "crc_mismatch":
        detail = f"deciphered, {found.detail}; its tag was not checked, which wants the authentication key, too"
        raise FrameError(found.reason, detail)
    raise FrameError("wrong_key", "deciphered it is no P1 telegram: a wrong key, or a damaged one")


def _parse_text(frame: Frame) -> Telegram:
    text = unparity(frame.data).decode("latin-1")
    header, _, body = text.partition("\n")
    records: list[Record] = []
    places: dict[str, int] = {}
    time: MeterTime | None = None
    months: tuple[ProfileRow, ...] = ()
    body = body[: body.rfind("!")] if "!" in body else body
    for name, groups in data_sets(_OPEN_HISTORY.sub("", body) if "98.1.0" in body else body):
        address = normal_address(name, reduced=True)
        if address == _CLOCK and time is None:
            time = p1_stamp(groups[0])
        if address == MONTHS:
            months = tuple(month_rows(groups))
        if len(groups) == 1 and not is_p1_stamp(groups[0]):
            index = places.get(address, 0)
            places[address] = index + 1
            records.append(record(address, groups[0], None, index))
            continue
        _many(records, places, address, groups)
    if not records:
        raise FrameError("empty", "a telegram without data sets", data=frame.data)
    return Telegram(Wire.P1, tuple(records), _facts(header.strip("\r\n"), records), time, months, frame.data)


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
