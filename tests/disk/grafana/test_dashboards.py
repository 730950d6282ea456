"""The committed dashboards as files."""

from pathlib import Path

from click.testing import CliRunner

from grafana.build import main, write
from grafana.settings import GrafanaSettings


def test_check_refuses_what_is_stale_missing_or_too_much(tmp_path: Path) -> None:
    """Each file that is not current is named, a dashboard that nothing makes any more too; writing mends it."""
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "wattline-fleet.json").write_text("{}")
    (tmp_path / "dashboards" / "wattline-gone.json").write_text("{}")
    stale = CliRunner().invoke(main, ["--check", "--folder", str(tmp_path)])
    assert stale.exit_code == 1
    names = ["wattline-fleet.json", "wattline-gone.json"]
    names += [f"{kind}/wattline.yaml" for kind in ("alerting", "datasources", "dashboards")]
    for name in names:
        assert name in stale.output
    assert CliRunner().invoke(main, ["--folder", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(main, ["--check", "--folder", str(tmp_path)]).exit_code == 0
    assert not (tmp_path / "dashboards" / "wattline-gone.json").exists()
    source = tmp_path / "provisioning" / "datasources" / "wattline.yaml"
    assert source.exists()
    write(tmp_path, GrafanaSettings(datasource_uid="other"))
    assert not source.exists(), "it would bring back a data source that nothing asks"
