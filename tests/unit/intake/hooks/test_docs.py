"""docs/INTAKE.md names every setting, metric and reason that there is."""

from pathlib import Path

import pytest

from broker.runtime.settings_help import Variable, variables
from intake.hooks.metrics import HookMetrics
from intake.hooks.settings import IntakeSettings

TEXT = (Path(__file__).resolve().parents[4] / "docs" / "INTAKE.md").read_text("utf-8")


@pytest.mark.parametrize("variable", variables(IntakeSettings), ids=lambda one: one.name)
def test_a_setting_has_its_row(variable: Variable) -> None:
    """With its default and what it means, as `--help` says them."""
    default = "required" if variable.default is None else variable.default.removeprefix("default ")
    assert f"| `{variable.name.removeprefix('WATTLINE_INTAKE_')}` | {default} | {variable.meaning} |\n" in TEXT


def test_every_metric_is_told() -> None:
    """By its name, or by what it has behind the one before."""
    for family in HookMetrics().registry.collect():
        assert family.name in TEXT or f"`{family.name.removeprefix('wattline_intake')}" in TEXT, family.name
