"""What an agent of before probation by content left on its disk is taken up: nothing it had in force is lost."""

import json
from pathlib import Path

import pytest

from broker.contract.messages import Desired, MeterConfig
from device.config.configuration import Configuration

KEY = "LGZ:1"
PARAMETERS = {
    "reading_interval_s": 10.0, "publish_interval_s": 10.0, "obis_include": ["*"], "obis_exclude": [],
    "raw_frames": False, "outbox_limit_mib": 256, "log_level": "info", "probation_s": 120.0,
}  # fmt: skip
HASHES = {
    7: "dcbefceefec173b9ee6cc0d07f65203ea080a81adbf8f457aa97a3e1cbc9b556",
    8: "f18466fbdedde0b58fd217f487a6c08cb3072fc41c7ce2516e94ec5b365888e3",
}
"""As the agent of before reckoned them, which knew no time_zone."""


def desired(version: int) -> dict[str, object]:
    """As it lay on the disk."""
    meters = {KEY: {"spec": f"a@{version - 6}"}, "LGZ:2": {}}
    return {
        "version": version, "hash": HASHES[version], "author": "system", "parameters": PARAMETERS, "meters": meters
    }  # fmt: skip


TRIAL = {
    "desired": desired(8), "watched": {KEY: {"patience_s": 30.0, "heard_only": True, "proven": False}},
    "elapsed_s": 12.5, "starts": 2,
}  # fmt: skip
FAILED = {"desired": desired(8), "reasons": [{"field": f"meters.{KEY}", "reason": "no good reading"}], "told": True}


def loaded(tmp_path: Path, document: dict[str, object]) -> Configuration:
    """The configuration out of such a file."""
    file = tmp_path / "desired.json"
    file.write_text(json.dumps(document))
    configuration = Configuration(file)
    configuration.load()
    return configuration


@pytest.mark.parametrize("document", [desired(7), {"good": desired(7), "read": {KEY: 30.0}}])
def test_what_was_in_force_is(tmp_path: Path, document: dict[str, object]) -> None:
    """By the same hash: the retained message that comes again changes nothing."""
    configuration = loaded(tmp_path, document)
    assert (configuration.version, configuration.trial, configuration.failed) == (7, None, None)
    verdict = configuration.consider(json.dumps(desired(7)).encode())
    assert (verdict.state, verdict.version, verdict.changed) == ("applied", 7, False)


def test_a_trial_goes_on(tmp_path: Path) -> None:
    """Whom it watched and how far it had come is known; the good one is there to go back to."""
    configuration = loaded(tmp_path, {"good": desired(7), "trial": TRIAL, "read": {KEY: 30.0}})
    trial = configuration.trial
    assert trial is not None
    assert (configuration.version, configuration.good_version, trial.elapsed_s, trial.starts) == (8, 7, 12.5, 3)
    assert trial.watched[KEY].open
    assert trial.watched[KEY].patience_s == 30.0


def test_what_was_reverted_is_not_tried_again(tmp_path: Path) -> None:
    """Not by the retained message, nor by a newer version that has the same spec; another spec is."""
    configuration = loaded(tmp_path, {"good": desired(7), "failed": FAILED, "read": {KEY: 30.0}})
    verdict = configuration.consider(json.dumps(desired(8)).encode())
    assert (verdict.state, verdict.version, verdict.changed, configuration.version) == ("reverted", 8, False, 7)
    same = Desired(version=9, meters={KEY: MeterConfig(spec="a@2")}).sealed()
    assert configuration.consider(same.payload()).state == "reverted"
    assert configuration.held_back() == (f"meters.{KEY}.spec",)
    assert configuration.meter(KEY) == MeterConfig(spec="a@1")
    other = Desired(version=10, meters={KEY: MeterConfig(spec="a@3")}).sealed()
    assert configuration.consider(other.payload()).state == "applied"
    assert configuration.meter(KEY) == MeterConfig(spec="a@3")
