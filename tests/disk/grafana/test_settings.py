"""Settings of the provisioning from files."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from grafana.cli import write


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"WATTLINE_GRAFANA_CONTACT_POINTS": "nojson"}, "CONTACT_POINTS is no JSON"),
        ({"WATTLINE_GRAFANA_ROUTES": '[{"contact": "nobody"}]'}, "nobody"),
        (
            {"WATTLINE_GRAFANA_CONTACT_POINTS": '[{"name": "a", "type": "email", "settings": {"to": "s3cret"}}]'},
            "WATTLINE_GRAFANA_CONTACT_POINTS: [0].settings: email needs 'addresses'; given: to",
        ),
    ],
)
def test_the_command_names_what_is_wrong_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    """A line that names the setting; never a traceback, nor what stands in other settings."""
    given = {"WATTLINE_GRAFANA_DB__HOST": "db", "WATTLINE_GRAFANA_DB__PASSWORD": "s3cret-of-the-test", **variables}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(write, [str(tmp_path)])
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert told in result.output
    assert "s3cret" not in result.output
