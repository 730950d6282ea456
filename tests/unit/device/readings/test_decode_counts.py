"""How often an agent tells what its specs decode."""

from device.readings.decode_counts import DecodeCounts, SpecCounts


class Clock:
    """A monotonic clock that the test turns."""

    now_s = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s


def run(
    counts: DecodeCounts, clock: Clock, seconds: int, *, decoded: bool = True, spec: str = "a@1"
) -> list[SpecCounts]:
    """A telegram each second; what is told meanwhile."""
    found = []
    for _ in range(seconds):
        counts.add("LGZ:1", spec, decoded=decoded)
        clock.now_s += 1
        found += counts.take_due()
    return found


def test_a_new_spec_is_told_soon_and_then_each_minute() -> None:
    """The first counts come within seconds, none is lost or told twice."""
    clock = Clock()
    counts = DecodeCounts(clock)
    told = run(counts, clock, 200)
    assert [one.telegrams for one in told] == [5, 5, 10, 20, 40, 60, 60]
    assert all((one.spec, one.undecodable, one.seconds) == ("a@1", 0, one.telegrams) for one in told)


def test_an_old_spec_is_told_seldom_unless_something_fails() -> None:
    """Every quarter of an hour while all is well; a failure within the minute."""
    clock = Clock()
    counts = DecodeCounts(clock)
    run(counts, clock, 3700)
    assert [one.telegrams for one in run(counts, clock, 1900)] == [900, 900]
    (failed,) = run(counts, clock, 1, decoded=False)
    assert failed.undecodable == 1
    assert not run(counts, clock, 59)


def test_another_spec_ends_the_counts_of_the_one_before() -> None:
    """What the old one decoded is told under its own name."""
    clock = Clock()
    counts = DecodeCounts(clock)
    run(counts, clock, 7)
    told = run(counts, clock, 5, spec="a@2", decoded=False)
    assert [(one.spec, one.telegrams, one.undecodable) for one in told] == [("a@1", 2, 0), ("a@2", 5, 5)]
    assert not list(counts.take_due())
