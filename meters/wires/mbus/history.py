"""Storage numbers of M-Bus as history (EN 13757-3 6.3): each storage with a stamp is a row of what was stored then."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from meters.telegram import MeterTime, ProfileRow, Record
from meters.wires.mbus.records import DataRecord

DAY: Final = "day"
TIME: Final = "time"


def stamps(records: Sequence[DataRecord]) -> dict[int, tuple[MeterTime, str]]:
    """When the values of each storage number above 0 were stored, by TIME or by DAY; the time counts first."""
    found: dict[int, tuple[MeterTime, str]] = {}
    for one in records:
        if one.storage and one.at is not None and not (one.function or one.tariff or one.subunit or one.vib.more):
            kept = TIME if one.vib.meaning.name == "time" else DAY if one.vib.meaning.name == "date" else ""
            if kept and (kept == TIME or one.storage not in found):
                found[one.storage] = (one.at, kept)
    return found


def stored_rows(records: Sequence[DataRecord], named: Sequence[Record]) -> tuple[ProfileRow, ...]:
    """A row for each storage with a stamp, in the order of their times; `named` are the records as those of now.

    The address of a value is that of the present one, so that it becomes a point of the same series.
    """
    found: dict[int, list[Record]] = {}
    places: dict[tuple[int, str], int] = {}
    for one, record in zip(records, named, strict=True):
        if not one.storage or one.at is not None or not isinstance(record.value, Decimal):
            continue
        place = places.get((one.storage, record.address), 0)
        places[one.storage, record.address] = place + 1
        found.setdefault(one.storage, []).append(replace(record, at=None, index=place))
    rows = [
        ProfileRow(at, tuple(found[storage]), kept=kept)
        for storage, (at, kept) in stamps(records).items()
        if storage in found
    ]
    return tuple(sorted(rows, key=lambda row: row.at.local))
