"""IEC 62056-21 readouts (modes A to D, and data blocks on their own): data sets into neutral records."""

import re
from dataclasses import replace
from decimal import Decimal

from broker.errors import FrameError
from meters.telegram import Frame, MeterTime, ProfileRow, Record, Telegram, Wire
from meters.wires.iec62056_dataset import (
    Groups,
    completed,
    data_sets,
    iec_stamp,
    is_iec_stamp,
    measured,
    normal_address,
    record,
)
from meters.wires.iec62056_log import LOGS, log_entry
from meters.wires.iec62056_profile import profile_rows
from meters.wires.p1 import identification_facts, identification_serial, plain_id
from meters.wires.text.checks import unparity
from meters.wires.text.framer import TextFramer
from meters.wires.text.scanner import Accept

_ERROR = re.compile(r"\s*\(?(ER(?:ROR)?[^()]{0,40})\)?\s*")
_SERIALS = (
    *("C.1.0", "C.1", "0-0:C.1.0", "0-0:C.1.0*255", "1-1:C.1.0", "1-0:0.0.0", "1-1:0.0.0", "0.0"),
    *("0-0:96.1.255", "1-0:96.1.0", "9.20", "9.21"),
)
_FIRMWARES = ("1-0:0.2.0", "C.90.1")
_THERMAL = re.compile(r"6\.(?:8|26|6|31|33)(?:\*[0-9]+)?")
_CLOCK_TIMES = ("1-0:0.9.1", "1-1:0.9.1", "0.9.1", "9.1")
_CLOCK_DATES = ("1-0:0.9.2", "1-1:0.9.2", "0.9.2", "9.2")
_SPELLED_CONTROLS = (("<CR>", "\r"), ("<LF>", "\n"), ("<STX>", "\x02"), ("<ETX>", "\x03"))


class Iec62056Framer(TextFramer):
    """The framer of an IEC 62056-21 line; see meters.wires.text.scanner for what it bounds and how it resynchronises.

    `bare` takes data blocks without STX and header too, where a stream starts with one.
    """

    def __init__(self, *, bare: bool = True) -> None:
        super().__init__(Wire.IEC62056_21, Accept(bare=bare, protocol=Wire.IEC62056_21))


def parse_iec62056(frame: Frame) -> Telegram:
    """The telegram of a frame. Raises FrameError for an error message (`ER..`), or where there is nothing in it."""
    header, body = _parts(unparity(frame.data).decode("latin-1"))
    error = _ERROR.fullmatch(body)
    if error:
        raise FrameError("meter_error", f"the meter answered {error.group(1).strip()!r}", data=frame.data)
    sets = list(data_sets(body))
    if not sets and not header:
        raise FrameError("empty", "a block without data sets", data=frame.data)
    reduced = not any(_THERMAL.fullmatch(name) for name, _ in sets)
    records: list[Record] = []
    places: dict[str, int] = {}
    blocks: list[Groups] = []
    log: list[ProfileRow] = []
    for name, groups in sets:
        if name in LOGS and len(groups) > 1:
            entry = log_entry(groups)
            log += [entry] if entry is not None else []
        elif name.startswith("P.") and len(groups) > 4:
            blocks.append(groups)
        else:
            address = normal_address(name, reduced=reduced)
            _records(records, places, completed(address) if reduced else address, groups)
    records = _with_units(records)
    profile = tuple(row for block in blocks for row in profile_rows(block))
    facts = (identification_facts(header) if header else {}) | _facts(records)
    if header and "serial" not in facts and "product" not in facts:
        serial = identification_serial(header)
        facts |= {"serial": serial} if serial else {}
    return Telegram(Wire.IEC62056_21, tuple(records), facts, _clock(records), profile, frame.data, log=tuple(log))


def serial_register(frame: Frame) -> str:
    """The register of a readout by which parse_iec62056 knows the meter, as the meter writes it; '' where none."""
    _, body = _parts(unparity(frame.data).decode("latin-1"))
    sets = [(name, groups[0]) for name, groups in data_sets(body) if groups]
    reduced = not any(_THERMAL.fullmatch(name) for name, _ in sets)
    names: dict[str, str] = {}
    for name, value in sets:
        address = normal_address(name, reduced=reduced)
        if plain_id(value).strip("0"):
            names.setdefault(completed(address) if reduced else address, name)
    return next((names[address] for address in _SERIALS if address in names), "")


def _parts(text: str) -> tuple[str, str]:
    """The identification without `/` and the data sets, without STX, end mark, ETX and check character."""
    header = ""
    if text.startswith("/"):
        line, _, text = text.partition("\n")
        header = line[1:].strip("\r\x03")
    start = text.find("\x02")
    body = text[start + 1 :]
    for end in ("\x03", "\x04"):
        body = body.partition(end)[0]
    if "<" in body:
        # Some loggers write control characters by name.
        for name, control in _SPELLED_CONTROLS:
            body = body.replace(name, control)
    return header, body.partition("!")[0]


def _records(records: list[Record], places: dict[str, int], address: str, groups: Groups) -> None:
    """Records of a data set: several `number*unit` joined by `&` are several; a stamp belongs to the value before."""
    for position, group in enumerate(groups):
        if position and is_iec_stamp(group) and records[-1].address == address and records[-1].at is None:
            records[-1] = replace(records[-1], at=iec_stamp(group))
            continue
        parts = group.split("&") if "&" in group and "*" in group else [group]
        if len(parts) > 1 and any(measured(part)[1] is None for part in parts):
            parts = [group]
        for part in parts:
            index = places.get(address, 0)
            places[address] = index + 1
            records.append(record(address, part, None, index))


def _with_units(records: list[Record]) -> list[Record]:
    """Values of billing periods without unit have that of the running register in the same readout (VDEW 2.1)."""
    units = {entry.address: entry.unit for entry in records if entry.unit is not None and "*" not in entry.address}
    return [
        replace(entry, unit=units.get(entry.address.partition("*")[0]))
        if entry.unit is None and isinstance(entry.value, Decimal) and "*" in entry.address
        else entry
        for entry in records
    ]


def _facts(records: list[Record]) -> dict[str, str]:
    texts = {entry.address: entry.value for entry in reversed(records) if isinstance(entry.value, str)}
    facts: dict[str, str] = {}
    for address in _SERIALS:
        serial = plain_id(texts.get(address, ""))
        if serial.strip("0"):
            facts["serial"] = serial
            break
    firmware = next((texts[address] for address in _FIRMWARES if texts.get(address)), "")
    return facts | ({"firmware": firmware} if firmware else {})


def _clock(records: list[Record]) -> MeterTime | None:
    """The meter's clock from 0.9.1 (time) and 0.9.2 (date), or 0.9.4 (both)."""
    texts = {entry.address: entry.value for entry in reversed(records) if isinstance(entry.value, str)}
    both = texts.get("1-0:0.9.4") or texts.get("0-0:1.0.0")
    if both:
        return iec_stamp(_digits(both))
    time = next((_digits(texts[name]) for name in _CLOCK_TIMES if name in texts), "")
    date = next((_digits(texts[name]) for name in _CLOCK_DATES if name in texts), "")
    season = next((text[0] for text in (time, date) if len(text) == 7), "")
    stamp = date[-6:] + time[-6:]
    return iec_stamp(season + stamp) if len(stamp) == 12 else None


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter in "0123456789")[:16]
