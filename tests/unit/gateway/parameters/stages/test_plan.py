"""Who comes first in a staged change, how a device takes one, and what follows: tables and properties."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desired.layers import Layer
from gateway.faults import Kind, Refusal
from gateway.parameters.stages.judging import judged, observed
from gateway.parameters.stages.plan import (
    Candidate,
    Member,
    Observation,
    Stage,
    is_due,
    parse_steps,
    picked,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STAGE = Stage(
    1, "fleet", 0, Layer(), ("log_level",), ("10%", "50%", "100%"), 0, 60, 600, 0, "running", None, "eva", None, NOW
)
GIVEN = Member(1, "d1", 0, version=5, reads=True, state="pending")
SILENT = Observation(True, 4, "applied", None, False, (), None, None, 20.0)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def took(observation: dict[str, Any], after_s: float, **member: Any) -> Member:
    return observed(STAGE, replace(GIVEN, **member), replace(SILENT, **observation), at(after_s))


APPLIED = {"reported_version": 5, "reported_at": at(10)}
HELD = {"reported_state": "reverted"}


@pytest.mark.parametrize(
    ("observation", "after_s", "member", "state", "why"),
    [
        ({}, 599, {}, "pending", None),
        ({}, 600, {}, "failed", "no report in 600 s"),
        ({"online": False}, 600, {}, "unreachable", "offline"),
        ({"reported_version": 5, "reported_state": "refused", "reasons": ("x: y",)}, 1, {}, "failed", "refused: x: y"),
        (
            {"reported_version": 5, "reported_state": "reverted"},
            1,
            {"state": "healthy"},
            "failed",
            "reverted: no reason",
        ),
        ({"trouble": "config_reverted"}, 1, {"state": "healthy"}, "failed", "event config_reverted"),
        (APPLIED, 11, {}, "applied", None),
        ({**APPLIED, "reading_at": at(20)}, 69, {}, "applied", None),
        ({**APPLIED, "reading_at": at(20)}, 70, {}, "healthy", None),
        ({**APPLIED, "reading_at": at(20), "probation": True}, 70, {}, "applied", None),
        (APPLIED, 71, {}, "failed", "no reading for 60 s"),
        ({**APPLIED, "interval_s": 900}, 71, {}, "applied", None),
        ({**APPLIED, "reading_at": at(20)}, 200, {}, "failed", "no reading for 60 s"),
        (APPLIED, 70, {"reads": False}, "healthy", None),
        ({**APPLIED, "probation": True}, 609, {"reads": False}, "applied", None),
        ({**APPLIED, "probation": True}, 610, {"reads": False}, "unreachable", "never confirmed"),
        ({**APPLIED, **HELD, "held_back": ("parameters.log_level",)}, 70, {"reads": False}, "failed", "reverted"),
        ({**APPLIED, **HELD, "held_back": ("parameters.obis_include",)}, 70, {"reads": False}, "healthy", None),
        (APPLIED, 71, {"version": None, "state": "unchanged"}, "unchanged", None),
        (APPLIED, 71, {"state": "failed", "why": "before"}, "failed", "before"),
    ],
)
def test_how_a_device_takes_a_change(
    observation: dict[str, Any], after_s: float, member: dict[str, Any], state: str, why: str | None
) -> None:
    """Each thing that can be observed of a device, at the moment where it begins to count."""
    found = took(observation, after_s, **member)
    assert found.state == state
    assert (found.why or "").startswith(why or "")


def states(*names: str, step: int = 0) -> list[Member]:
    return [
        replace(GIVEN, id=number, name=f"d{number}", step=step, state=name, version=None if name == "unchanged" else 5)  # type: ignore[arg-type]
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("members", "max_failed", "after_s", "act"),
    [
        (states("healthy", "pending"), 0, 100, "wait"),
        (states("healthy", "healthy"), 0, 59, "wait"),
        (states("healthy", "healthy"), 0, 60, "advance"),
        (states("healthy", "failed"), 0, 60, "roll_back"),
        (states("pending", "failed"), 50, 60, "wait"),
        (states("healthy", "failed"), 50, 60, "advance"),
        (states("healthy", "failed", "failed"), 50, 60, "roll_back"),
        (states("unreachable", "unreachable"), 0, 60, "pause"),
        (states("unreachable", "healthy"), 0, 60, "advance"),
        (states("unchanged", "unchanged"), 0, 0, "advance"),
        (states("failed", "unchanged", "unchanged"), 50, 60, "roll_back"),
        ([], 0, 0, "advance"),
    ],
)
def test_what_follows(members: list[Member], max_failed: float, after_s: float, act: str) -> None:
    """One device too many that fails rolls back; who is waited for holds the step; who is not there does not."""
    verdict = judged(replace(STAGE, max_failed=max_failed), members, at(after_s))
    assert verdict.act == act
    assert bool(verdict.why) == (act in ("pause", "roll_back"))


@pytest.mark.parametrize(
    ("probation", "after_s", "state"), [(True, 609, "applied"), (True, 610, "unreachable"), (False, 11, "healthy")]
)
def test_who_went_to_another_broker_as_told_is_judged_by_its_word(probation: bool, after_s: float, state: str) -> None:
    """Nobody here can see how it is there: without its word that it is good there it counts neither way."""
    stage = replace(STAGE, changes=("broker_address",))
    gone = replace(SILENT, online=False, reported_version=5, reported_at=at(10), probation=probation)
    assert observed(stage, GIVEN, gone, at(after_s)).state == state


@given(
    st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True)
)
def test_shares_add_up_and_everybody_gets_it_once(online: list[bool], shares: list[int]) -> None:
    """Each step brings the share up to its percent, who is online first, nobody twice, and the last step all."""
    steps = parse_steps([f"{share}%" for share in sorted(shares)])
    devices = [Candidate(number, {"device": f"d{number}"}, up) for number, up in enumerate(online)]
    have: list[int] = []
    for step, text in enumerate(steps):
        chosen = picked(replace(STAGE, steps=steps, step=step), devices, have)
        assert not set(chosen) & set(have)
        have += chosen
        assert len(have) == math.ceil(int(text.removesuffix("%")) * len(devices) / 100)
        flags = [online[number] for number in have]
        assert flags == sorted(flags, reverse=True)
    assert sorted(have) == list(range(len(devices)))


@pytest.mark.parametrize(
    ("texts", "field"),
    [([], "steps"), (["1%"] * 101, "steps"), (["50%", "20%"], "steps.1"), (["0%"], "steps.0"), (["a b"], "steps.0.0")],
)
def test_steps_that_cannot_be_name_themselves(texts: list[str], field: str) -> None:
    """The refusal names the step by its place."""
    with pytest.raises(Refusal) as refused:
        parse_steps(texts)
    assert refused.value.field == field


def test_the_whole_scope_is_always_the_last_step() -> None:
    """What does not end with everybody is completed."""
    assert parse_steps(["10%"]) == ("10%", "100%")
    assert parse_steps(["site=a", "100%"]) == ("site=a", "100%")


@pytest.mark.parametrize(
    ("state", "verb", "due"),
    [
        ("running", "pause", True),
        ("paused", "pause", False),
        ("paused", "resume", True),
        ("running", "resume", False),
        ("running", "abort", True),
        ("paused", "abort", True),
        ("aborted", "abort", False),
    ],
)
def test_what_is_done_already_is_not_done_again(state: Any, verb: Any, due: bool) -> None:
    """The same answer for a repeat after a lost one."""
    assert is_due(replace(STAGE, state=state), verb) is due


@pytest.mark.parametrize(
    ("state", "verb"),
    [("done", "pause"), ("done", "abort"), ("rolled_back", "resume"), ("aborted", "pause"), ("aborted", "resume")],
)
def test_what_has_ended_stays_as_it_is(state: Any, verb: Any) -> None:
    """The refusal names the state, and where to read why."""
    with pytest.raises(Refusal, match=f"staged change 1 is {state}: it can't {verb}") as refused:
        is_due(replace(STAGE, state=state), verb)
    assert (refused.value.kind, refused.value.field) == (Kind.CONFLICT, "stage")
    assert refused.value.fix == "GET /api/v1/stages/1 says why"
