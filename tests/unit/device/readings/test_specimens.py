"""Which frames of a meter that only a generic spec reads are sent for a draft."""

from device.readings.specimens import EVERY_S, FIRST, METERS_MAX, Specimens


def test_the_first_frames_are_sent_and_then_one_an_hour() -> None:
    """A draft can be made at once, and a meter that is never given a spec costs next to nothing."""
    now_s = 0.0
    specimens = Specimens(lambda: now_s)
    taken = []
    for second in range(3 * 3600):
        now_s = float(second)
        if specimens.due("ZZZ:1"):
            taken.append(second)
    assert taken[:FIRST] == list(range(FIRST))
    assert [b - a for a, b in zip(taken[FIRST - 1 :], taken[FIRST:], strict=False)] == [int(EVERY_S)] * 2


def test_meters_are_told_apart_up_to_a_bound() -> None:
    """Each meter has its own count; what a line invents takes no memory beyond the bound."""
    specimens = Specimens(lambda: 0.0)
    assert all(specimens.due(f"ZZZ:{n}") for n in range(10 * METERS_MAX))
    assert [specimens.due("ZZZ:again") for _ in range(FIRST + 1)] == [True] * FIRST + [False]
    assert len(specimens._sent) == METERS_MAX
