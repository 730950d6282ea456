"""Kept frames into columns of readings, and those into a batch."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from broker.contract.messages import Clock, Source
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.rows import READING_BYTES, instant, micros
from ingestor.worker.decoding import ColumnKey, DecodedSlice, KeptFrame, Slice, decode_slice
from ingestor.worker.portion import FrameMeter, Portion
from meters.specs.catalogue import catalogue
from meters.specs.spec import spec_document
from meters.wires.encode.p1 import encode_p1
from store.codes import SOURCE_CODES

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPEC = next(spec for spec in catalogue() if spec.name == "generic-p1")
SYNCED = SOURCE_CODES[Source.REDECODED, Clock.SYNCED]
METER = SOURCE_CODES[Source.REDECODED, Clock.METER]
KEY = "ZZZ:1"


def telegram(kwh: str = "000001.000", gas_at: str = "261123125500W") -> bytes:
    """A push without a clock, with a gas meter behind it."""
    gas = ["0-1:24.1.0(003)", "0-1:96.1.0(4730303434)", f"0-1:24.2.1({gas_at})(00007.500*m3)"]
    return encode_p1("ZZZ5\\X", [f"1-0:1.8.0({kwh}*kWh)", *gas])


def kept(number: int, data: bytes, *, at: datetime | None = NOON, clock: str = "synced", reason: str = "") -> KeptFrame:
    """A frame received a second after it was taken."""
    return KeptFrame(number, KEY, "d1", (at or NOON) + timedelta(seconds=1), at, clock, reason, data)


def decoded(
    *frames: KeptFrame,
    filters: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] | None = None,
    zones: dict[str, str] | None = None,
) -> DecodedSlice:
    """What the generic P1 spec makes of frames."""
    earliest_us, day_us = micros(datetime(2000, 1, 1, tzinfo=UTC)), 86_400_000_000
    return decode_slice(
        Slice(SPEC.ref, json.dumps(spec_document(SPEC)), frames, filters or {}, zones or {}, earliest_us, day_us)
    )


def test_each_series_is_a_column_in_the_order_of_the_frames() -> None:
    """The meter's values at the device's time, the gas meter's at its own, each named as a device names it."""
    result = decoded(kept(1, telegram()), kept(2, telegram("000002.000"), at=NOON + timedelta(seconds=10)))
    times, values = result.columns[ColumnKey(KEY, "d1", "1-0:1.8.0", None, SYNCED)]
    assert [instant(at_us) for at_us in times] == [NOON, NOON + timedelta(seconds=10)]
    assert list(values) == [1.0, 2.0]
    gas = result.columns[ColumnKey("MBUS:G0044", "d1", "0-1:24.2.1", "m³", METER)]
    assert (instant(gas[0][0]), gas[1][0]) == (NOON - timedelta(minutes=5), 7.5)
    assert result.carriers == {"MBUS:G0044": KEY}
    tally = result.tallies[KEY]
    assert (tally.frames, tally.undecodable, tally.first_us) == (2, 0, micros(NOON - timedelta(minutes=5)))
    assert result.note == ""


@pytest.mark.parametrize(
    ("stamp", "zone", "expected"),
    [
        ("261123140005W", "Europe/Vilnius", (NOON + timedelta(seconds=5), METER)),
        ("261123140005", "Europe/Helsinki", (NOON + timedelta(seconds=5), METER)),
        ("261123140005W", "", (NOON, SYNCED)),
        ("261123130005W", "", (NOON + timedelta(seconds=5), METER)),
    ],
)
def test_a_kept_frame_is_read_in_the_zone_of_its_device(stamp: str, zone: str, expected: tuple[datetime, int]) -> None:
    """As the device itself would read it: in the zone that its parameter names, else in the spec's."""
    data = encode_p1("ZZZ5\\X", [f"0-0:1.0.0({stamp})", "1-0:1.8.0(1*kWh)"])
    (key, (times, _)), *_ = decoded(kept(1, data), zones={KEY: zone} if zone else {}).columns.items()
    assert (instant(times[0]), key.source) == expected


def test_a_frame_may_hold_several_telegrams_or_none() -> None:
    """What is whole in the bytes is read; a frame that gives nothing is counted, and the first one is named."""
    noise = kept(8, b"", reason="bad_frame")
    torn = kept(9, telegram()[:-20], reason="bad_frame")
    both = kept(10, telegram()[20:] + telegram(), reason="bad_frame")
    result = decoded(noise, torn, both)
    assert (result.tallies[KEY].frames, result.tallies[KEY].undecodable) == (3, 2)
    assert result.note == "frame 8: empty: no telegram in it"
    assert list(result.columns[ColumnKey(KEY, "d1", "1-0:1.8.0", None, SYNCED)][1]) == [1.0]


def test_times_that_can_not_be_are_kept_apart() -> None:
    """The bounds are those of the ingestor: the far past, and a day ahead of the receipt."""
    result = decoded(kept(1, telegram(), at=datetime(1970, 1, 1, tzinfo=UTC)))
    (one,) = [found for found in result.implausible if found.meter == KEY]
    assert (one.frame, one.at.year, one.values) == (1, 1970, {"1-0:1.8.0": 1.0})
    assert not [key for key in result.columns if key.meter == KEY]


def test_the_receive_time_stands_in_for_a_missing_one() -> None:
    """A frame without the device's time has the platform's, and nobody vouches for it."""
    result = decoded(kept(1, telegram(), at=None, clock=""))
    ((key, column),) = [(key, column) for key, column in result.columns.items() if key.meter == KEY]
    assert key.source == SOURCE_CODES[Source.REDECODED, Clock.UNSYNCED]
    assert instant(column[0][0]) == NOON + timedelta(seconds=1)


def test_codes_that_are_not_published_are_left_out() -> None:
    """The patterns of the device hold for its sub-meters, too."""
    result = decoded(kept(1, telegram()), filters={KEY: (("*",), ("*24.2.1",))})
    assert {key.code for key in result.columns} == {"1-0:1.8.0"}


def _portion(*parts: DecodedSlice) -> Portion:
    meters = {KEY: FrameMeter(1, KEY, "d1", None)}
    return Portion(7, SPEC.ref, meters, list(parts))


def _names() -> Names:
    names = Names(Limits())
    names.devices["d1"] = 1
    names.meters[KEY] = Meter(1, {("1-0:1.8.0", "kWh"): 11})
    names.meters["MBUS:G0044"] = Meter(2, {("0-1:24.2.1", "m³"): 12})
    return names


def test_repeats_within_and_between_portions_are_dropped() -> None:
    """A gas meter's value that each telegram repeats is one row, in a portion and over the seam of two."""
    frames = [kept(n, telegram(), at=NOON + timedelta(seconds=n)) for n in range(6)]
    portion = _portion(decoded(*frames[:3]), decoded(*frames[3:]))
    first = portion.packed(_names(), {})
    assert (len(first.batch.fresh) // READING_BYTES, first.dropped, first.refused) == (7, 5, {})
    assert first.newest == {11: micros(frames[5].at or NOON), 12: micros(NOON - timedelta(minutes=5))}
    again = portion.packed(_names(), {12: first.newest[12]})
    assert (len(again.batch.fresh) // READING_BYTES, again.dropped) == (6, 6)
    assert portion.tallies()[1].frames == 6


def test_implausible_values_are_refused_by_the_same_bounds() -> None:
    """One row for the series, which names value and bounds; the same time may come right in the next portion."""
    part = decoded(*(kept(n, telegram(), at=NOON + timedelta(seconds=n)) for n in range(3)))
    (column,) = [column for key, column in part.columns.items() if key.code == "1-0:1.8.0"]
    column[1][1] = column[1][2] = 1.7e308
    packed = _portion(part).packed(_names(), {})
    assert packed.refused == {"implausible_value": 2}
    (stored,) = packed.batch.stored.values()
    assert str(stored.detail).startswith("1.7e+308 is outside [-1e+11, 1e+11]: 1-0:1.8.0 of ")
    assert packed.newest[11] == column[0][0]


def test_sub_meters_are_wanted_of_the_carriers_device() -> None:
    """A gas meter that nobody registered yet is added to the device of the meter that carries it."""
    wanted = _portion(decoded(kept(1, telegram()))).wanted()
    assert wanted.meters == {KEY: ("d1", SPEC.ref), "MBUS:G0044": ("d1", SPEC.ref)}
    assert {point.unit for point in wanted.points["MBUS:G0044", "d1"]} == {"m³"}


@pytest.mark.parametrize("missing", ["meter", "series"])
def test_what_has_no_name_is_refused_with_a_reason(missing: str) -> None:
    """Values beyond a limit go to quarantine as one row for their series, however many they are."""
    names = _names()
    if missing == "meter":
        del names.meters["MBUS:G0044"]
    else:
        names.meters["MBUS:G0044"].points.clear()
    frames = [kept(n, telegram(gas_at=f"2611231255{n:02d}W"), at=NOON + timedelta(seconds=n)) for n in range(3)]
    packed = _portion(decoded(*frames)).packed(names, {})
    assert packed.refused == {f"{missing}_limit": 3}
    (stored,) = packed.batch.stored.values()
    assert (stored.reason, stored.device, stored.meter_id, stored.doubtful) == (f"{missing}_limit", "d1", 1, True)
