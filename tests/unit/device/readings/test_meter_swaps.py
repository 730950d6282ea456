"""A swap is told from meters that share a line."""

from datetime import UTC, datetime, timedelta

import pytest

from device.readings.meter_swaps import Change, SwapDetector

START_AT = datetime(2026, 11, 24, tzinfo=UTC)


def play(swaps: SwapDetector, script: str, step_s: float = 1.0, start_s: float = 0.0) -> list[tuple[int, Change]]:
    """One letter a step is the meter heard, `-` is silence; the changes with the step at which they came."""
    found = []
    for step, letter in enumerate(script):
        now_s = start_s + step * step_s
        change = None if letter == "-" else swaps.observe(letter, now_s, START_AT + timedelta(seconds=now_s))
        if change is not None:
            found.append((step, change))
    return found


@pytest.mark.parametrize(
    ("script", "changes", "present"),
    [
        ("AAAA", [], "A"),
        ("AAAABBBB", [(6, Change("B", "A"))], "B"),
        ("AAAA----------AAAA", [], "A"),
        ("ABABABAB", [(3, Change("B"))], "AB"),
        ("AAAABABA", [(6, Change("B"))], "AB"),
        ("AAAABAAAAAAAAAAAA", [], "A"),
        ("AAAABBBBAAAA", [(6, Change("B", "A")), (10, Change("A", "B"))], "A"),
        ("ABABABACACACACACACACACAC", [(3, Change("B")), (11, Change("C", "B"))], "AC"),
        ("ABABABABCABCABC", [(3, Change("B")), (11, Change("C"))], "ABC"),
        ("A----B----A----B----A", [(15, Change("B"))], "AB"),
    ],
)
def test_what_a_sequence_of_telegrams_means(script: str, changes: list[tuple[int, Change]], present: str) -> None:
    """Silence is no swap, one stray telegram is nothing, alternation is a shared line and told once."""
    swaps = SwapDetector()
    assert play(swaps, script) == changes
    assert swaps.present == tuple(present)


def test_a_slow_meter_beside_a_fast_one_is_no_swap() -> None:
    """The silence that counts is measured by the meter's own period."""
    swaps = SwapDetector()
    changes = play(swaps, ("A" + "-" * 9) * 3 + ("A" + "B" * 9) * 6)
    assert [change for _, change in changes] == [Change("B")]


def test_alternation_that_was_taken_for_a_swap_is_put_right_once() -> None:
    """A meter that comes back beside the one that seemed to replace it shares the line from then on."""
    swaps = SwapDetector()
    changes = [change for _, change in play(swaps, "AAA" + ("B" * 12 + "A") * 5)]
    assert changes == [Change("B", "A"), Change("A")]


def test_since_is_the_first_telegram() -> None:
    """The time of a swap is when the new meter was first heard, not when it was decided."""
    swaps = SwapDetector()
    play(swaps, "AAAABBBB")
    assert swaps.since("B") == START_AT + timedelta(seconds=4)
    assert not swaps.since("A")


def test_memory_is_bounded() -> None:
    """Telegrams with ever another serial (noise without a check) keep 16 names at most, and replace nobody."""
    swaps = SwapDetector()
    for n in range(300):
        assert swaps.observe("A", 2 * n, START_AT) is None
        assert swaps.observe(f"noise {n}", 2 * n + 1, START_AT) is None
    assert swaps.present == ("A",)
    assert len(swaps._newcomers) == 16
