"""What is to blame for a change that silenced a meter, and what is held back of a later one."""

import pytest

from broker.contract.messages import Desired, MeterConfig, Parameters
from device.config.fallback import (
    EXCLUDE,
    INCLUDE,
    carried,
    changed,
    each,
    fallback,
    held_reasons,
    parts_of,
    same_content,
    without,
)

KEY, OTHER = "LGZ:1", "LGZ:2"
SPEC = f"meters.{KEY}.spec"


def desired(version: int, meters: dict[str, str | None] | None = None, **parameters: object) -> Desired:
    given = {key: MeterConfig(spec=spec) for key, spec in (meters or {KEY: "a@1"}).items()}
    return Desired(version=version, parameters=Parameters.model_validate(parameters), meters=given).sealed()


GOOD = desired(7)


def test_a_change_is_what_differs_and_can_go_back() -> None:
    """A meter that the good configuration did not know, or gave no spec, has nothing to go back to."""
    bad = desired(8, {KEY: "a@2", OTHER: "b@1"}, log_level="debug", obis_include=("9-9:*",))
    assert changed(bad, GOOD) == {"parameters.log_level": "debug", INCLUDE: ["9-9:*"], SPEC: "a@2"}
    assert changed(desired(8, {KEY: "a@1"}), desired(7, {KEY: None})) == {}
    assert changed(desired(1, raw_frames=True), None) == {"parameters.raw_frames": True}


@pytest.mark.parametrize(
    ("suspects", "changes", "parts"),
    [
        ((INCLUDE,), {INCLUDE: ["9"], "parameters.log_level": "debug"}, ({INCLUDE: ["9"]},)),
        ((INCLUDE, EXCLUDE), {INCLUDE: ["9"], EXCLUDE: ["9"]}, ({INCLUDE: ["9"], EXCLUDE: ["9"]},)),
        ((INCLUDE,), {SPEC: "a@2"}, ({SPEC: "a@2"},)),
        ((SPEC,), {SPEC: "a@2", INCLUDE: ["1-0:*"]}, ({SPEC: "a@2"},)),
        ((SPEC,), {INCLUDE: ["1-0:*"]}, ()),
        ((), {"parameters.log_level": "debug", "parameters.reading_interval_s": 1},
         ({"parameters.reading_interval_s": 1},)),
        ((), {"parameters.log_level": "debug"}, ({"parameters.log_level": "debug"},)),
        ((), {}, ()),
    ],
)  # fmt: skip
def test_what_is_to_blame(
    suspects: tuple[str, ...], changes: dict[str, object], parts: tuple[dict[str, object], ...]
) -> None:
    """What the meter failed by if it changed, else its spec; without a hint what can silence it, else each change."""
    assert parts_of(KEY, suspects, changes) == parts


def test_a_later_version_is_known_by_what_it_carries() -> None:
    """The value counts, not the version; of two that failed together both must be there."""
    parts = ({INCLUDE: ["9-9:*"]}, {SPEC: "a@2"}, {EXCLUDE: ["1"], "parameters.raw_frames": True})
    assert carried(parts, desired(9, log_level="debug", obis_include=("9-9:*",), raw_frames=True)) == parts[:1]
    assert carried(parts, desired(9, {KEY: "a@2"}, obis_include=("9-9:*", "1"))) == parts[1:2]
    assert carried(parts, desired(9, {OTHER: "a@2"})) == ()


def test_the_rest_of_a_version_holds_without_what_failed() -> None:
    """The swap's meter gets its spec, and the filter is as the last good version had it."""
    swapped = desired(9, {OTHER: "b@1"}, obis_include=("9-9:*",), log_level="debug")
    rest = without(swapped, GOOD, {INCLUDE, SPEC})
    assert (rest.version, rest.hash, rest.meters) == (9, None, swapped.meters)
    assert (rest.parameters.obis_include, rest.parameters.log_level) == (("*",), "debug")
    [reason] = held_reasons(({INCLUDE: ["9-9:*"]},), 8, rest)
    assert reason.field == INCLUDE
    assert "9-9:* was tried in version 8 and undone, so * stays" in reason.reason
    assert without(desired(9, {KEY: "a@2"}), GOOD, {SPEC}).meters == GOOD.meters


def test_what_holds_after_a_revert() -> None:
    """The good version as it is; with the specs of meters that it did not know; or the first one without its fault."""
    assert fallback(desired(8, obis_include=("9-9:*",)), GOOD, ()) is GOOD
    back = fallback(desired(8, {KEY: "a@2", OTHER: "b@1"}, log_level="debug"), GOOD, ())
    assert (back.version, back.parameters) == (8, GOOD.parameters)
    assert {key: meter.spec for key, meter in back.meters.items()} == {KEY: "a@1", OTHER: "b@1"}
    first = desired(1, obis_include=("9-9:*",), log_level="debug")
    alone = fallback(first, None, each({INCLUDE: ["9-9:*"]}))
    assert (alone.parameters.obis_include, alone.parameters.log_level) == (("*",), "debug")


def test_the_same_content_under_any_version() -> None:
    """Version and author make no difference."""
    assert same_content(desired(1), desired(2))
    assert not same_content(desired(1), desired(1, raw_frames=True))
    assert same_content(None, None)
    assert not same_content(None, desired(1))
