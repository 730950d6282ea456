"""P1 sub-meters: gas, heat, water and electricity meters on M-Bus channels 1 to 9, each with its own stamp and key."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from meters.engine_plan import convert
from meters.engine_time import instant
from meters.identify import sub_meters
from meters.telegram import Record, Telegram

_VALUE_CODES: Final = ("24.2.1", "24.2.3", "24.3.0")
"""DSMR P1 5.0.2 6.12 and v4; e-MUCS-P1 for gas that is not converted; DSMR P1 2.2 and 3.0 in that order."""


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


def sub_meter_readings(telegram: Telegram, zone: str | None) -> Behind:
    """The readings of the meters behind this one; a channel without value, unit or set clock gives none."""
    behind = Behind()
    values = _values(telegram)
    if not values:
        return behind
    names = {sub.channel: sub for sub in sub_meters(telegram)}
    for channel, record in values:
        at = instant(record.at, zone)
        if not isinstance(record.value, Decimal):
            continue
        if at is None or record.unit is None:
            behind.refused.append((record.address, "channel without a unit" if at else "channel without a set clock"))
            continue
        # DSMR 2.2 and 3.0 send 24.3.0, the hourly list, whose text names 0-n:24.2.1 as the code of its value.
        code = record.address.replace("24.3.0", "24.2.1")
        conversion = convert(code, record.unit)
        if conversion.reason is not None:
            behind.refused.append((record.address, conversion.reason))
            continue
        value = record.value * conversion.factor
        name = names.get(channel)
        behind.readings.append(
            SubReading(
                serial=(name.serial if name else "") or f"0-{channel}",
                key=name.key if name else "",
                at=at,
                values={conversion.code: value},
                units={conversion.code: conversion.unit},
            )
        )
    return behind


def _values(telegram: Telegram) -> list[tuple[int, Record]]:
    """The first record with a value code of each channel."""
    found: dict[int, Record] = {}
    for record in telegram.records:
        prefix, _, code = record.address.partition(":")
        if code in _VALUE_CODES and prefix[:2] == "0-" and prefix[2:].isdigit() and 1 <= int(prefix[2:]) <= 9:
            found.setdefault(int(prefix[2:]), record)
    return sorted(found.items())
