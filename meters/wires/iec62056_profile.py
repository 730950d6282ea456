"""Load profiles of IEC 62056-21 (P.01 and its like, VDEW 2.1): interval rows with the stamp of each interval's end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from broker.contract.obis import spell
from meters.telegram import MeterTime, ProfileRow, Record
from meters.wires.iec62056_dataset import Groups, completed, iec_stamp, normal_address, number

MAX_CHANNELS = 64
_FIXED_GROUPS = 4


def profile_rows(groups: Groups) -> Iterator[ProfileRow]:
    """The rows below one header `P.01(stamp)(status)(period)(channels)(code)(unit)...`.

    The first row belongs to the header's stamp, each further one to the next period (in minutes). The status is that of
    all of them: where it changes, meters begin a new header (VDEW 2.1; LEM EM4T II, 4.2.6). A header repeated in
    mid-reply is a data set of its own: the time between is a gap. Nothing comes of a header that makes no sense.
    """
    start = iec_stamp(groups[0])
    period_min = number(groups[2])
    channels = number(groups[3])
    if start is None or period_min is None or channels is None:
        return
    if not 0 < period_min <= 1440 or not 0 < channels <= MAX_CHANNELS:
        return
    count = int(channels)
    heads = groups[_FIXED_GROUPS : _FIXED_GROUPS + 2 * count]
    values = groups[_FIXED_GROUPS + 2 * count :]
    names = [completed(normal_address(code, reduced=True), electricity=True) for code in heads[::2]]
    units = heads[1::2]
    for row, first in enumerate(range(0, len(values) - count + 1, count)):
        at = _later(start, timedelta(minutes=row * int(period_min)))
        cells = zip(names, units, values[first : first + count], strict=False)
        records = tuple(_cell(code, unit, text, at) for code, unit, text in cells)
        yield ProfileRow(at, records, groups[1], start, row * int(period_min) * 60)


def _cell(code: str, unit: str, text: str, at: MeterTime) -> Record:
    value = number(text.strip())
    return Record(code, value if value is not None else text or None, spell(unit) if unit else None, at)


def _later(start: MeterTime, step: timedelta) -> MeterTime:
    return replace(start, local=start.local + step, at=start.at + step if start.at else None)
