"""The configuration on disk through probation: wherever the power goes, a good version is in force or returns."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import device.standing
from broker.messages import Desired, MeterConfig, Parameters, Reason
from device.files import write_atomically
from device.parameters import STARTS_MAX, Configuration
from device.standing import Watched

KEY = "LGZ:1"
WHY = (Reason(field="meters.LGZ:1", reason="no good reading"),)


class PowerCutError(Exception):
    """The power goes in the middle of a step."""


def desired(version: int, **parameters: Any) -> bytes:
    """A version whose content differs from that of every other."""
    values = {"reading_interval_s": 10.0 + version, **parameters}
    meters = {KEY: MeterConfig(spec=f"lgz-e350@{version}")}
    return Desired(version=version, parameters=Parameters(**values), meters=meters).sealed().payload()


def watch(_desired: Desired) -> dict[str, Watched]:
    return {KEY: Watched()}


def loaded(folder: Path) -> Configuration:
    config = Configuration(folder / "desired.json")
    config.load()
    return config


def proven(folder: Path) -> Configuration:
    """Version 1 in force, and good."""
    config = loaded(folder)
    config.consider(desired(1), watch)
    config.confirm()
    return config


def test_a_change_is_on_trial_and_becomes_good_by_readings(tmp_path: Path) -> None:
    """What was in force before stays the good one until the change has proved itself."""
    config = proven(tmp_path)
    assert config.consider(desired(2), watch).applied
    assert (config.version, config.trial is not None) == (2, True)
    assert config.spec_refs() == {"lgz-e350@1", "lgz-e350@2"}
    config.confirm()
    again = loaded(tmp_path)
    assert (again.version, again.trial, again.spec_refs()) == (2, None, {"lgz-e350@2"})


def test_a_reverted_version_is_named_and_not_taken_again_until_told(tmp_path: Path) -> None:
    """Neither its own message nor a lower one brings it back; a higher one or a retry does, also after a restart."""
    config = proven(tmp_path)
    config.consider(desired(2), watch)
    config.revert(WHY)
    for one in (config, loaded(tmp_path)):
        assert one.version == 1
        verdict = one.consider(desired(2), watch)
        assert (verdict.state, verdict.version, verdict.reasons, verdict.changed) == ("reverted", 2, WHY, False)
        other = one.consider(desired(2, raw_frames=True), watch)
        assert (other.state, other.reasons[0].field) == ("refused", "version")
        assert one.consider(desired(1), watch).state == "applied"
        assert one.version == 1
    assert config.retry(watch) is not None
    assert (config.version, config.trial is not None, config.failed) == (2, True, None)
    config.revert(WHY)
    assert config.retry() is not None
    assert (config.version, config.trial is not None, config.failed) == (2, True, None)
    assert config.retry() is None


def test_the_good_content_under_a_higher_version_needs_no_trial(tmp_path: Path) -> None:
    """An engineer who takes a change back gets it back at once."""
    config = proven(tmp_path)
    config.consider(desired(2), watch)
    good = Desired.parse(desired(1)).model_copy(update={"version": 3}).sealed()
    assert config.consider(good.payload(), watch).applied
    assert (config.version, config.trial, config.failed) == (3, None, None)


def test_probation_can_be_switched_off(tmp_path: Path) -> None:
    """With probation_s 0 a change is good at once."""
    config = proven(tmp_path)
    config.consider(desired(2, probation_s=0), watch)
    assert (config.version, config.trial) == (2, None)


def test_a_trial_that_is_never_finished_ends_after_some_starts(tmp_path: Path) -> None:
    """A configuration that ends the agent does not do so for ever."""
    config = proven(tmp_path)
    config.consider(desired(2), watch)
    versions = [loaded(tmp_path).version for _ in range(STARTS_MAX + 1)]
    assert versions == [2] * STARTS_MAX + [1]
    assert loaded(tmp_path).verdict().reasons[0].field == "version"


def test_the_file_of_an_older_agent_is_the_good_configuration(tmp_path: Path) -> None:
    """Before probation the file held the configuration itself."""
    (tmp_path / "desired.json").write_bytes(desired(7))
    assert loaded(tmp_path).version == 7


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "again", "progress", "confirm", "revert", "told", "retry", "read"]),
        st.sampled_from(["lives", "dies before", "dies after"]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_no_power_cut_loses_the_good_version_or_revives_a_failed_one(steps: list[tuple[str, str]]) -> None:
    """Over any steps and cuts, before or after any write: what is in force is good or on trial, and the file is whole.

    A step that was cut is the old or the new state; a failed version is in force only after a higher one or a retry.
    """
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        config = proven(folder)
        newest, fate = 1, "lives"

        def write(path: Path, data: bytes) -> None:
            if fate == "dies before":
                path.with_name(path.name + ".new").write_bytes(data[: len(data) // 2])
                raise PowerCutError
            write_atomically(path, data)
            if fate == "dies after":
                raise PowerCutError

        patched.setattr(device.standing, "write_atomically", write)
        for step, fate in steps:
            before = (config.version, config.failed and config.failed.desired.version)
            newest += step == "change"
            try:
                _do(config, step, newest)
            except PowerCutError:
                fate = "lives"  # noqa: PLW2901
                config = loaded(folder)
                # what the broker retains comes again after each start
                config.consider(desired(newest), watch)
            _check(config, step, newest, before)


def _do(config: Configuration, step: str, newest: int) -> None:
    match step:
        case "change" | "again":
            config.consider(desired(newest), watch)
        case "progress":
            config.progress(5.0, {KEY})
        case "confirm" if config.trial:
            config.confirm()
        case "revert":
            config.revert(WHY)
        case "told":
            config.told()
        case "retry":
            config.retry(watch)
        case "read":
            config.note_read({KEY: 3.0})


def _check(config: Configuration, step: str, newest: int, before: tuple[int, int | None]) -> None:
    assert config.version >= 1
    assert config.parameters.reading_interval_s == 10.0 + config.version, "half of one version, half of another"
    failed = config.failed
    if failed is not None:
        assert failed.desired.version > config.version
        assert config.trial is None
    if before[1] == newest and step not in ("change", "retry"):
        assert config.version < newest, "a failed version came back by itself"
