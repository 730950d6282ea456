"""The configuration on disk through probation: wherever the power goes, a good version is in force or returns."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import device.config.state_file
from broker.contract.messages import Desired, MeterConfig, Parameters, Reason
from device.config.configuration import STARTS_MAX, Configuration
from device.config.state_file import Watched
from device.sealed_file import write_twice

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


BAD = {"obis_include": ("9-9:*",)}
PART = ({"parameters.obis_include": ["9-9:*"]},)


def filtered(version: int, **more: Any) -> bytes:
    """Version 1 of the specs with a filter that leaves nothing."""
    meters = {KEY: MeterConfig(spec="lgz-e350@1")}
    parameters = Parameters(**{"reading_interval_s": 11.0, **BAD, **more})
    return Desired(version=version, parameters=parameters, meters=meters).sealed().payload()


def test_what_was_reverted_is_held_back_of_later_versions_also_over_restarts(tmp_path: Path) -> None:
    """By its content: the rest of the version holds and is on trial, until the field says something else."""
    config = proven(tmp_path)
    config.consider(filtered(2), watch)
    config.revert(WHY, PART)
    assert (config.version, config.held_back()) == (1, ("parameters.obis_include",))
    verdict = loaded(tmp_path).consider(filtered(3, raw_frames=True), watch)
    assert (verdict.state, verdict.version, verdict.changed) == ("reverted", 3, True)
    assert [reason.field for reason in verdict.reasons] == ["parameters.obis_include", "meters.LGZ:1"]
    config = loaded(tmp_path)
    assert (config.version, config.parameters.raw_frames, config.parameters.obis_include) == (3, True, ("*",))
    assert config.trial is not None
    assert not config.consider(filtered(3, raw_frames=True), watch).changed
    config.confirm()
    assert loaded(tmp_path).verdict().state == "reverted"
    # another part fails: both are held back
    config.consider(filtered(4, raw_frames=True, log_level="debug"), watch)
    config.revert(WHY, ({"parameters.log_level": "debug"},))
    assert (config.version, set(config.held_back())) == (3, {"parameters.obis_include", "parameters.log_level"})
    config.consider(filtered(5, obis_include=("1-0:*",), log_level="debug"), watch)
    assert (config.parameters.obis_include, config.parameters.log_level) == (("1-0:*",), "info")
    assert config.consider(filtered(6, obis_include=("1-0:*",)), watch).applied
    assert config.held_back() == ()


def test_a_retry_and_no_probation_take_what_was_reverted(tmp_path: Path) -> None:
    """The command tries the newest version as it is; probation_s 0 takes it untried."""
    config = proven(tmp_path)
    config.consider(filtered(2), watch)
    config.revert(WHY, PART)
    config.consider(filtered(3), watch)
    assert (config.version, config.parameters.obis_include, config.trial) == (3, ("*",), None)
    assert config.retry(watch) is not None
    assert (config.version, config.parameters.obis_include, config.trial is not None) == (3, ("9-9:*",), True)
    config.revert(WHY, PART)
    assert config.consider(filtered(4, probation_s=0), watch).applied
    assert config.parameters.obis_include == ("9-9:*",)


def test_nobody_watched_is_no_proof(tmp_path: Path) -> None:
    """It is in force and on trial over restarts, which do not end it once the agent has lived under it for a while."""
    config = loaded(tmp_path)
    assert config.consider(desired(1)).applied
    for _ in range(STARTS_MAX + 3):
        config = loaded(tmp_path)
        assert (config.version, config.trial is not None, config.good_version) == (1, True, None)
        config.lived()
    config.consider(desired(2))
    assert (config.version, config.good_version) == (2, None)


def test_the_first_version_of_all_goes_on_without_what_failed(tmp_path: Path) -> None:
    """There is no good one to go back to: the field has its default."""
    config = loaded(tmp_path)
    config.consider(filtered(1), watch)
    config.revert(WHY, PART)
    config = loaded(tmp_path)
    assert (config.version, config.parameters.obis_include, config.trial is not None) == (1, ("*",), True)
    assert (config.verdict().state, config.held_back()) == ("reverted", ("parameters.obis_include",))


def test_a_meter_that_did_not_speak_may_go_back_later(tmp_path: Path) -> None:
    """What was good before stays known until each meter has spoken; a revert then goes back to it."""
    config = proven(tmp_path)
    both = {KEY: MeterConfig(spec="lgz-e350@1"), "LGZ:2": MeterConfig(spec="lgz-e350@1")}
    version = Desired(version=2, parameters=Parameters(**BAD), meters=both).sealed()
    config.consider(version.payload(), watch)
    config.confirm()
    config = loaded(tmp_path)
    assert config.unheard == ("LGZ:2",)
    config.reopen("LGZ:2")
    config = loaded(tmp_path)
    assert (config.version, config.good_version, set(config.trial.watched if config.trial else ())) == (2, 1, {"LGZ:2"})
    config.revert(WHY, PART)
    assert config.parameters.obis_include == ("*",)
    assert config.meter("LGZ:2") == MeterConfig(spec="lgz-e350@1")


def test_the_revert_of_an_older_agent_holds_by_content_too(tmp_path: Path) -> None:
    """It did not keep what failed: then each field that differs from the good version counts."""
    config = proven(tmp_path)
    config.consider(filtered(2), watch)
    config.revert(WHY)
    assert config.consider(filtered(3, raw_frames=True), watch).state == "reverted"
    assert (config.parameters.obis_include, config.parameters.raw_frames) == (("*",), True)


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
            write_twice(path, data)
            if fate == "dies after":
                raise PowerCutError

        patched.setattr(device.config.state_file, "write_twice", write)
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


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_no_power_cut_puts_a_reverted_filter_in_force_again(steps: list[tuple[str, str]]) -> None:
    """Each version carries the bad filter and something new: after a revert only a retry brings the filter back."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        config = proven(folder)
        newest, fate, undone = 1, "lives", False

        def write(path: Path, data: bytes) -> None:
            if fate == "dies before":
                raise PowerCutError
            write_twice(path, data)
            if fate == "dies after":
                raise PowerCutError

        patched.setattr(device.config.state_file, "write_twice", write)
        for step, fate in steps:
            newest += step == "change"
            had_filter = config.parameters.obis_include == BAD["obis_include"]
            try:
                if step in ("change", "again") and newest > 1:
                    config.consider(desired(newest, **BAD), watch)
                elif step == "revert":
                    config.revert(WHY, PART if had_filter else ({"parameters.reading_interval_s": 10.0 + newest},))
                elif step not in ("change", "again"):
                    _do(config, step, newest)
            except PowerCutError:
                fate = "lives"  # noqa: PLW2901
                config = loaded(folder)
            has_filter = config.parameters.obis_include == BAD["obis_include"]
            assert config.version >= 1
            if undone and step != "retry":
                assert not has_filter, "it came back by itself"
            # one that had proved itself before stays good, whatever is blamed later
            undone = (
                not has_filter
                and config.failed is not None
                and any("parameters.obis_include" in part for part in config.failed.parts)
            )


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
            config.revert_reported()
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


ADDRESS = {"parameters.broker_address": "b.example:8883"}
NOWHERE = (Reason(field="parameters.broker_address", reason="no connection"),)


@pytest.mark.parametrize("told_with", ["the good one", "the trial"])
def test_an_address_that_failed_undoes_nothing_else_of_an_open_trial(tmp_path: Path, told_with: str) -> None:
    """Out of what is good and what is on trial alike; the trial goes on, also over a restart."""
    config = proven(tmp_path)
    if told_with == "the good one":
        config.consider(desired(2, broker_address="b.example:8883"), watch)
        config.confirm()
    config.consider(desired(3, broker_address="b.example:8883"), watch)
    config.withhold(NOWHERE, ADDRESS)
    for one in (config, loaded(tmp_path)):
        assert (one.version, one.parameters.broker_address) == (3, "")
        assert one.parameters.reading_interval_s == 13.0, "an unrelated change stays on trial"
        assert one.trial is not None
        assert one.verdict().state == "reverted"
        assert "parameters.broker_address" in one.held_back()
        assert not one.consider(desired(3, broker_address="b.example:8883"), watch).changed
    config.revert(WHY)
    assert config.parameters.broker_address == ""
