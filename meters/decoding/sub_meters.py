"""P1 sub-meters: gas, heat, water and electricity meters on M-Bus channels 1 to 9, each with its own stamp and key."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from meters.decoding.meter_time import WallClock, instant
from meters.decoding.plan import convert
from meters.specs.identify import sub_meters
from meters.telegram import Record, Telegram

_VALUE_CODES: Final = ("24.2.1", "24.2.3")
"""DSMR P1 5.0.2 6.12, which readers also give for 24.3.0 of v2 and v3; e-MUCS-P1 for gas that is not converted."""

_DIN_43863_5: Final = re.compile(r"[0-9A-F]([A-Z]{3})[0-9A-Z]{8,12}")
_M_BUS_HEADER: Final = re.compile(r"[0-9A-F]{16}")
_LETTERS: Final = range(1, 27)


@dataclass(frozen=True, slots=True)
class SubReading:
    """The last value of one sub-meter at that value's own stamp."""

    serial: str
    key: str
    at: datetime
    values: dict[str, Decimal]
    units: dict[str, str]


@dataclass(slots=True)
class Behind:
    """What stands behind a meter, and the channels that say nothing usable, as address and reason."""

    readings: list[SubReading] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def sub_meter_readings(telegram: Telegram, records: tuple[Record, ...], clock: WallClock) -> Behind:
    """The readings of the meters behind this one; a channel without value, unit or set clock gives none.

    `records` are those of the telegram whose numbers are sound.
    """
    behind = Behind()
    values = _values(records)
    if not values:
        return behind
    names = {sub.channel: sub.serial for sub in sub_meters(telegram)}
    for channel, record in values:
        at = instant(record.at, clock)
        if not isinstance(record.value, Decimal):
            continue
        if at is None or record.unit is None:
            behind.refused.append((record.address, "channel without a unit" if at else "channel without a set clock"))
            continue
        conversion = convert(record.address, record.unit)
        if conversion.reason is not None:
            behind.refused.append((record.address, conversion.reason))
            continue
        value = record.value * conversion.factor
        serial = names.get(channel, "")
        values_by_code, units = {conversion.code: value}, {conversion.code: conversion.unit}
        name = serial if serial.strip("0") else f"0-{channel}"
        behind.readings.append(SubReading(name, sub_meter_key(serial), at, values_by_code, units))
    return behind


def _values(records: tuple[Record, ...]) -> list[tuple[int, Record]]:
    """The first record with a value code of each channel."""
    found: dict[int, Record] = {}
    for record in records:
        prefix, _, code = record.address.partition(":")
        if code in _VALUE_CODES and prefix[:2] == "0-" and prefix[2:].isdigit() and 1 <= int(prefix[2:]) <= 9:
            found.setdefault(int(prefix[2:]), record)
    return sorted(found.items())


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
