"""Configuration changes inside `gateway.desired.change` only: nobody else locks, renews, rebuilds or announces."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
ROOM: Final = "gateway/desired/"
UNIT_OF_WORK: Final = "gateway/desired/change.py"
STEPS: Final = {"rebuild", "store_desired", "refreshed", "take_config_lock", "republish"}
"""What a change is made of, by the names under which gateway.desired has it."""
CLAIMS: Final = {"gateway/bus/queries/claim_waiting.sql", "gateway/bus/queries/release_claims.sql"}
"""The outbox of the broker: who publishes a configuration, which stays what it is."""


def steps_in(text: str) -> Iterator[str]:
    """Steps of a change that a module takes itself: imported, or loaded as SQL."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway.desired"):
            yield from (one.name for one in node.names if one.name in STEPS)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.removeprefix("desired/")
            yield from [name] if name != node.value and name in STEPS else []


def writes_configuration(text: str) -> bool:
    """Whether a statement takes the lock of configuration, or writes what a device is to have."""
    return "'wattline.config'" in text or re.search(r"\b(INTO|UPDATE|DELETE FROM) desired\b", text) is not None


def test_only_the_unit_of_work_takes_the_steps_of_a_change() -> None:
    """Else a change could be left without its lock, or without its announcement."""
    found = {
        (str(file.relative_to(ROOT)), step)
        for file in (ROOT / "gateway").rglob("*.py")
        for step in steps_in(file.read_text())
    }
    assert {file for file, _ in found} == {UNIT_OF_WORK}
    assert {step for _, step in found} == STEPS


def test_only_its_room_writes_configurations() -> None:
    """Whatever the SQL of other rooms does, it changes no desired configuration."""
    files = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "gateway").rglob("queries/*.sql")
        if writes_configuration(file.read_text())
    }
    assert {file for file in files if not file.startswith(ROOM)} == CLAIMS
    assert any(file.startswith(ROOM) for file in files)


@pytest.mark.parametrize(
    "text", ["from gateway.desired.build import store_desired", 'connection.execute(load("desired/republish"))']
)
def test_a_step_elsewhere_is_found(text: str) -> None:
    """Imported from where it is defined, or as SQL."""
    assert list(steps_in(text))


def test_a_statement_that_writes_is_found() -> None:
    """And one that reads is none."""
    assert writes_configuration("INSERT INTO desired (device_id) VALUES ($1)")
    assert not writes_configuration("INSERT INTO desired_history SELECT * FROM desired")
