"""The steps of `wattline update`: who comes first, and never more than a share at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.updates import SHARE_LEAST, shares
from gateway.parameters.stages.plan import MAX_STEPS, parse_steps


@pytest.mark.parametrize(
    ("first", "share", "steps"),
    [
        ((), 10, [f"{number}0%" for number in range(1, 11)]),
        ((), 40, ["40%", "80%", "100%"]),
        ((), 100, ["100%"]),
        (("site=lab", "pi-1,pi-2"), 50, ["site=lab", "pi-1,pi-2", "50%", "100%"]),
    ],
)
def test_an_update_goes_on_by_its_share(first: tuple[str, ...], share: float, steps: list[str]) -> None:
    """Those who are named come first; the last step is everybody."""
    assert shares(first, share) == steps


@given(st.floats(SHARE_LEAST, 100))
def test_no_step_is_larger_than_its_share(share: float) -> None:
    """Whatever a person writes: the steps are such as a gateway takes, and none adds more."""
    percents = [float(step.removesuffix("%")) for step in parse_steps(shares((), share))]
    assert len(percents) <= MAX_STEPS
    assert percents[-1] == 100
    assert all(after - before <= share + 0.02 for before, after in zip([0.0, *percents], percents, strict=False))
