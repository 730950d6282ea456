"""Which time a sample gets, by whose clock, and which meter it is of."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from broker.contract.messages import Clock
from meters.decoding.engine import Decoded, MeterSample
from meters.decoding.stamping import Received, stamp, stamped, zone_off_h
from meters.specs.spec import Spec, spec_from

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


@pytest.mark.parametrize(
    ("off_s", "received", "expected"),
    [
        # a Pi an hour behind, or a day ahead, that nobody vouches for: the meter's clock is the better one
        (3600, Received(NOON, Clock.UNSYNCED), (3600, Clock.UNSYNCED)),
        (-86400, Received(NOON, Clock.UNSYNCED), (-86400, Clock.UNSYNCED)),
        (5, Received(NOON, Clock.UNSYNCED), (5, Clock.METER)),
        # compared with the platform's, or kept by NTP: it judges
        (3600, Received(NOON, Clock.UNSYNCED, checked=True), (0, Clock.UNSYNCED)),
        (5, Received(NOON, Clock.UNSYNCED, checked=True), (5, Clock.METER)),
        (3600, Received(NOON, Clock.SYNCED), (0, Clock.SYNCED)),
        # a meter that was never set, or has lost its time
        (-26 * 365 * 86400, Received(NOON, Clock.UNSYNCED), (0, Clock.UNSYNCED)),
        (30 * 365 * 86400, Received(NOON, Clock.UNSYNCED), (0, Clock.UNSYNCED)),
    ],
)
def test_a_device_that_does_not_know_the_time_is_no_judge_of_a_meters(
    spec: Spec, off_s: int, received: Received, expected: tuple[int, Clock]
) -> None:
    """The meter's good clock is not thrown away because the Pi's is wrong; what has its own stamp goes with it."""
    gas = MeterSample("G0044", "MBUS:G0044", at=after(off_s - 300), values={"0-1:24.2.1": Decimal(7)}, units={})
    main = sample(after(off_s))
    decoded = Decoded(after(off_s), (main, gas))
    found = stamp(spec, decoded, main, received)
    assert (found.at, found.clock) == (after(expected[0]), expected[1])
    taken = stamp(spec, decoded, gas, received)
    assert taken.at == (after(off_s - 300) if found.at == after(off_s) else NOON)
    assert zone_off_h(spec, decoded, received, "Europe/Riga") is None or received.known


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
