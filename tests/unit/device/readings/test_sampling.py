"""Which samples are kept, how they are gathered, and which time they get."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker.contract.messages import Clock, FrameReason, Sample, Source
from device.outbox.bundles import SAMPLES_MAX, Bundles
from device.outbox.gathered import FramesOf, ReadingsOf
from device.readings.bad_frame_limit import Suppression
from device.readings.sampler import REMEMBERED, REMEMBERED_IN_ALL, IntervalSampler, RepeatFilter

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """This long after noon."""
    return NOON + timedelta(seconds=seconds)


def test_a_sample_a_second_gives_one_for_each_interval_of_ten() -> None:
    """The first telegram of each interval of the wall clock is taken."""
    sampler = IntervalSampler()
    taken = [s for s in range(60) if sampler.take("a", after(s), 10)]
    assert taken == [0, 10, 20, 30, 40, 50]


def test_jitter_loses_no_telegram_of_a_meter_that_pushes_as_often_as_it_is_read() -> None:
    """Telegrams a second apart, give or take 90 ms over the second's end, are all taken."""
    sampler = IntervalSampler()
    jitter = [0.0, 0.05, -0.04, 0.03, -0.01, 0.04, -0.05, 0.0]
    assert all(sampler.take("a", after(s + jitter[s % 8]), 1) for s in range(40))


@given(st.lists(st.floats(0, 200), min_size=2, max_size=60), st.floats(0.2, 30))
def test_samples_that_are_taken_stand_an_interval_apart_on_average(seconds: list[float], interval_s: float) -> None:
    """However telegrams come, no more are taken than there are intervals."""
    sampler = IntervalSampler()
    taken = [s for s in sorted(seconds) if sampler.take("a", after(s), interval_s)]
    if taken:
        assert len(taken) <= (taken[-1] - taken[0]) / (interval_s * 0.9) + 2
        assert all(b - a >= interval_s * 0.09 for a, b in pairwise(taken))


def test_a_new_interval_begins_with_its_next_slot() -> None:
    """A longer interval gives no extra sample in the slot that already has one; a shorter one holds at once."""
    sampler = IntervalSampler()
    assert [s for s in range(5) if sampler.take("a", after(s), 1)] == [0, 1, 2, 3, 4]
    assert [s for s in range(5, 25) if sampler.take("a", after(s), 10)] == [10, 20]
    assert [s for s in range(25, 29) if sampler.take("a", after(s), 2)] == [25, 26, 28]


def test_a_clock_that_is_stepped_back_does_not_stop_the_readings() -> None:
    """After a step back by a day samples are taken as before."""
    sampler = IntervalSampler()
    assert sampler.take("a", after(0), 10)
    assert sampler.take("a", after(-86400), 10)
    assert not sampler.take("a", after(-86399), 10)


def test_a_value_repeated_with_its_own_stamp_is_new_once() -> None:
    """A gas value that each telegram repeats is taken once for each stamp, and again when it differs."""
    repeats = RepeatFilter()
    assert repeats.is_new("gas", NOON, {"0-1:24.2.1": Decimal(1)})
    assert not repeats.is_new("gas", NOON, {"0-1:24.2.1": Decimal(1)})
    assert repeats.is_new("gas", after(300), {"0-1:24.2.1": Decimal(1)})
    assert repeats.is_new("gas", NOON, {"0-1:24.2.1": Decimal(2)})


def test_many_meters_with_many_stamps_each_are_remembered_all() -> None:
    """M-Bus meters at one line tell fifteen values of before each: none of them is sent again with each poll."""
    repeats = RepeatFilter()
    marks = [(f"MBUS:{meter}", after(3600 * n)) for meter in range(250) for n in range(15)]
    value = {"6-0:1.0.0": Decimal(1)}
    assert all(repeats.is_new(key, at, value) for key, at in marks)
    assert not any(repeats.is_new(key, at, value) for key, at in marks)
    for n in range(REMEMBERED_IN_ALL + REMEMBERED):
        repeats.is_new(f"FLOOD:{n % 40}", after(n), value)
    assert repeats._marks == sum(map(len, repeats._seen.values())) == REMEMBERED_IN_ALL
    assert not any(repeats.is_new(key, at, value) for key, at in marks)


class Sent:
    """What bundles were sent."""

    def __init__(self) -> None:
        self.readings: list[tuple[ReadingsOf, list[Sample], dict[str, str]]] = []
        self.frames: list[tuple[FramesOf, list[Any]]] = []
        self.bundles = Bundles(
            lambda of, samples, units: self.readings.append((of, samples, units)),
            lambda of, frames: self.frames.append((of, frames)),
        )


OF = ReadingsOf("LGZ:1", "lgz-e350@1", Clock.METER, Source.LIVE)


def test_samples_travel_together_once_their_bundle_is_old_enough() -> None:
    """Nothing goes before the publish interval; then all of it in one message, open units named."""
    sent = Sent()
    for n in range(3):
        sample = Sample(at=after(n), values={"1-0:1.8.0": 1.0, "0-1:24.2.1": 2.0})
        sent.bundles.add_sample(OF, sample, {"1-0:1.8.0": "kWh", "0-1:24.2.1": "m³"}, now_s=float(n))
    sent.bundles.flush(9.9, 10)
    assert not sent.readings
    assert sent.bundles.next_due_s(10) == 10
    sent.bundles.flush(10, 10)
    [(of, samples, units)] = sent.readings
    assert (of, len(samples), units) == (OF, 3, {"0-1:24.2.1": "m³"})


def test_bundles_go_together() -> None:
    """What another meter gathered since goes with the oldest: then nothing that is written ahead is needed any more."""
    sent = Sent()
    for n, of in enumerate((OF, replace(OF, meter="LGZ:2"))):
        sent.bundles.add_sample(of, Sample(at=after(n), values={"1-0:1.8.0": 1.0}), {}, now_s=4.0 * n)
    sent.bundles.flush(10, 10)
    assert [of.meter for of, _, _ in sent.readings] == ["LGZ:1", "LGZ:2"]
    assert sent.bundles.next_due_s(10) is None


def test_a_full_bundle_goes_at_once() -> None:
    """A long publish interval does not let memory grow."""
    sent = Sent()
    for n in range(SAMPLES_MAX):
        sent.bundles.add_sample(OF, Sample(at=after(n), values={"1-0:1.8.0": 1.0}), {}, now_s=0)
    frames = FramesOf(FrameReason.NO_SPEC, "/dev/ttyUSB0", "p1", "", Clock.SYNCED)
    for n in range(70):
        sent.bundles.add_frame(frames, after(n), bytes(1000), now_s=0)
    assert [len(samples) for _, samples, _ in sent.readings] == [SAMPLES_MAX]
    assert [len(found) for _, found in sent.frames] == [66]


def test_bad_frames_beyond_the_limit_are_counted_until_told() -> None:
    """The first two of a minute pass; the others are counted by reason; the next minute begins anew."""
    now = [0.0]
    suppression = Suppression(2, lambda: now[0])
    assert [suppression.admit("crc_mismatch") for _ in range(4)] == [True, True, False, False]
    assert not suppression.overdue
    now[0] = 61
    assert suppression.overdue
    assert suppression.take_counted() == {"crc_mismatch": 2}
    assert suppression.admit("truncated")
    assert suppression.take_counted() == {}
