"""P1 sub-meters: gas, heat, water and electricity meters on M-Bus channels 1 to 9, each with its own stamp and key."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from meters.decoding.meter_time import WallClock, instant
from meters.decoding.plan import Conversion, convert
from meters.specs.identify import sub_meters
from meters.telegram import Record, Telegram

_VALUE_CODE: Final = re.compile(r"0-([1-9]):24\.2\.[1-9]")
"""The values of a channel's meter, one an instance: IEC 62056-6-1, M-Bus value objects."""
_STAMPED: Final = (":24.2.1", ":24.2.3")
"""Those that have a stamp: DSMR P1 5.0.2 6.12, which readers also give for 24.3.0 of v2 and v3; e-MUCS-P1 for gas that
is not converted. A stamp that is no time leaves these without one."""
_COUNTED: Final = frozenset({"m³", "GJ", "kWh", "kvarh", "kVAh", "Wh", "J"})
"""Units of what a channel's meter counts: a temperature or a flow among its values is no register."""

_DIN_43863_5: Final = re.compile(r"[0-9A-F]([A-Z]{3})[0-9A-Z]{8,12}")
_M_BUS_HEADER: Final = re.compile(r"[0-9A-F]{16}")
_LETTERS: Final = range(1, 27)


@dataclass(frozen=True, slots=True)
class SubReading:
    """The last values of one sub-meter at their own stamp, else the telegram's; None where that has none either."""

    serial: str
    key: str
    at: datetime | None
    values: dict[str, Decimal]
    units: dict[str, str]


@dataclass(slots=True)
class Behind:
    """What stands behind a meter, and the channels that say nothing usable, as address and reason."""

    readings: list[SubReading] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def sub_meter_readings(
    telegram: Telegram, records: tuple[Record, ...], clock: WallClock, telegram_at: datetime | None
) -> Behind:
    """The readings of the meters behind this one; a channel without value, unit or set clock gives none.

    `records` are those of the telegram whose numbers are sound; `telegram_at` (aware UTC) is the time of what a channel
    gives without a stamp, as heat meters do.
    """
    behind = Behind()
    values = _values(records)
    if not values:
        return behind
    names = {sub.channel: sub.serial for sub in sub_meters(telegram)}
    unset = {
        channel
        for channel, record in values
        if instant(record.at, clock) is None and (record.at is not None or record.address.endswith(_STAMPED))
    }
    found: dict[tuple[int, datetime | None], SubReading] = {}
    for channel, record in values:
        if not isinstance(record.value, Decimal):
            continue
        conversion = convert(record.address, record.unit) if record.unit is not None else None
        reason = _why_none(conversion, is_unset=channel in unset)
        if conversion is None or reason:
            behind.refused.append((record.address, reason))
            continue
        serial = names.get(channel, "")
        name = serial if serial.strip("0") else f"0-{channel}"
        at = telegram_at if record.at is None else instant(record.at, clock)
        reading = found.setdefault((channel, at), SubReading(name, sub_meter_key(serial), at, {}, {}))
        reading.values[conversion.code] = record.value * conversion.factor
        reading.units[conversion.code] = conversion.unit
    behind.readings = list(found.values())
    return behind


def _why_none(conversion: Conversion | None, *, is_unset: bool) -> str:
    """Why a value of a channel is no reading, '' where it is one."""
    if is_unset:
        return "channel without a set clock"
    if conversion is None:
        return "channel without a unit"
    if conversion.reason is not None:
        return conversion.reason
    return "" if conversion.unit in _COUNTED else f"no register of a sub-meter: {conversion.unit}"


def _values(records: tuple[Record, ...]) -> list[tuple[int, Record]]:
    """The first record of each value code, by channel."""
    found: dict[str, tuple[int, Record]] = {}
    for record in records:
        if (code := _VALUE_CODE.fullmatch(record.address)) is not None:
            found.setdefault(record.address, (int(code.group(1)), record))
    return sorted(found.values(), key=lambda value: value[0])


def sub_meter_key(serial: str) -> str:
    """The meter key of a sub-meter by its equipment id, '' where it has none (or zeros only).

    DIN 43863-5 ids carry a FLAG code (`7FLO2119033733` is `FLO:7FLO2119033733`), so does an M-Bus header of EN 13757-7
    in hex (`621848012D2C0B0C` is `KAM:01481862`). Others, such as the Dutch `G00..`, are given as `MBUS:id`.
    """
    if not serial.strip("0"):
        return ""
    din = _DIN_43863_5.fullmatch(serial)
    if din:
        return f"{din.group(1)}:{serial}"
    if _M_BUS_HEADER.fullmatch(serial):
        octets = bytes.fromhex(serial)
        flag = int.from_bytes(octets[4:6], "little")
        letters = [flag >> shift & 31 for shift in (10, 5, 0)]
        number = octets[3::-1].hex()
        if number.isdigit() and all(letter in _LETTERS for letter in letters):
            return f"{''.join(chr(64 + letter) for letter in letters)}:{number}"
    return f"MBUS:{serial}"[:96]


def key_behind(parent: str, key: str, serial: str) -> str:
    """The key of a meter behind another: its own where it has one, else bound to its parent."""
    if key:
        return key
    plain = "".join(letter for letter in serial if "!" <= letter <= "~")
    return f"{parent[: 95 - min(32, len(plain))]}/{plain[:32]}"
