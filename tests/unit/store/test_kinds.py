"""How kinds of jobs are treated."""

import pytest

from ingestor.worker.kinds.every import WORKS
from store.kinds.every import KINDS
from store.kinds.kind import Kind, NoArguments

KIND = Kind("probe", NoArguments, "Tries.", first_s=10, cap_s=100)


@pytest.mark.parametrize(("failures", "ceiling_s"), [(1, 10), (2, 20), (4, 80), (5, 100), (10_000, 100)])
def test_waits_double_up_to_the_cap_and_half_of_each_is_chance(failures: int, ceiling_s: float) -> None:
    """What failed together, as when a server goes away, does not come again together."""
    found = {KIND.delay_s(failures) for _ in range(50)}
    assert ceiling_s / 2 <= min(found) < max(found) <= ceiling_s
    assert len(found) > 40


def test_each_kind_that_is_asked_for_is_done() -> None:
    """Whoever asks and the worker know the same kinds, each under its own name."""
    assert {name: work.kind for name, work in WORKS.items()} == dict(KINDS)
