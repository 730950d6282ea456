"""Which time a sample gets, by whose clock, and which meter it is of."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from broker.messages import Clock
from meters.engine import Decoded, MeterSample
from meters.spec import Spec, spec_from
from meters.stamping import Received, stamp, stamped, zone_off_h

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """This long after noon."""
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def spec() -> Spec:
    """A spec that allows a meter's clock to be 60 s off."""
    document = {
        "name": "x",
        "version": 1,
        "product": {"name": "x"},
        "match": {"protocol": "p1"},
        "source": ["made for this test"],
        "standard": True,
        "time": {"skew_s": 60},
    }
    return spec_from(document, origin="test")


def sample(at: datetime | None, *, profile: bool = False) -> MeterSample:
    """A sample of one value."""
    return MeterSample("", "", at, {"1-0:1.8.0": Decimal(1)}, {"1-0:1.8.0": "kWh"}, profile)


@pytest.mark.parametrize(
    ("telegram_s", "sample_s", "profile", "expected"),
    [
        (5, 5, False, (5, Clock.METER)),
        (90, 90, False, (0, Clock.SYNCED)),
        (-90, -90, False, (0, Clock.SYNCED)),
        (None, None, False, (0, Clock.SYNCED)),
        (5, -3600, False, (-3600, Clock.METER)),
        (90, -3600, False, (0, Clock.SYNCED)),
        (5, 3600, False, (0, Clock.SYNCED)),
        (5, -900, True, (-900, Clock.METER)),
        (9000, -900, True, (-900, Clock.UNSYNCED)),
    ],
)
def test_the_meters_time_counts_where_it_can_be_trusted(
    spec: Spec, telegram_s: int | None, sample_s: int | None, profile: bool, expected: tuple[int, Clock]
) -> None:
    """Within the allowed skew the meter's stamp is taken, else the device's; a load profile keeps its stamps."""
    at = None if telegram_s is None else after(telegram_s)
    found = sample(None if sample_s is None else after(sample_s), profile=profile)
    result = stamp(spec, Decoded(at, (found,)), found, Received(NOON, Clock.SYNCED))
    assert (result.at, result.clock) == (after(expected[0]), expected[1])


def test_samples_behind_a_meter_are_of_meters_of_their_own(spec: Spec) -> None:
    """A channel with an equipment id has its own key, one without is bound to the meter that carries it."""
    behind = {"at": after(-300), "values": {"0-1:24.2.1": Decimal(7)}, "units": {"0-1:24.2.1": "m³"}}
    gas, nameless = MeterSample("G0044", "MBUS:G0044", **behind), MeterSample("0-2", "", **behind)
    decoded = Decoded(after(5), (sample(after(5)), gas, nameless))
    found = list(stamped("ISK:1", spec, decoded, Received(NOON, Clock.UNSYNCED)))
    assert [(meter, at.at) for meter, _, at in found] == [
        ("ISK:1", after(5)),
        ("MBUS:G0044", after(-300)),
        ("ISK:1/0-2", after(-300)),
    ]


@pytest.mark.parametrize(
    ("off_s", "zone", "hours"),
    [
        (3600, "", 1),
        (3600 + 290, "", 1),
        (-3600 - 290, "", -1),
        (7200 - 40, "Europe/Vilnius", 2),
        (3600 + 310, "", None),
        (5400, "", None),
        (290, "", None),
        (0, "", None),
        (27 * 3600, "", None),
    ],
)
def test_a_clock_that_is_whole_hours_off_tells_of_a_wrong_zone(
    spec: Spec, off_s: float, zone: str, hours: int | None
) -> None:
    """Give or take five minutes, and no further than two places of the earth can be apart."""
    zoned = spec.model_copy(update={"time": spec.time.model_copy(update={"zone": "Europe/Amsterdam"})})
    decoded = Decoded(after(off_s), ())
    assert zone_off_h(zoned, decoded, Received(NOON, Clock.SYNCED), zone) == hours


def test_a_meter_without_wall_clock_has_no_wrong_zone(spec: Spec) -> None:
    """No time at all, or one that states its offset itself."""
    assert zone_off_h(spec, Decoded(None, ()), Received(NOON, Clock.SYNCED), "Europe/Riga") is None
    assert zone_off_h(spec, Decoded(after(3600), ()), Received(NOON, Clock.SYNCED), "") is None
