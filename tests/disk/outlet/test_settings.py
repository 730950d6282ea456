"""Secrets of the outlet that stand in files."""

from pathlib import Path

from outlet.settings import OutletSettings

DSN = "postgresql://wattline_outlet@127.0.0.1/wattline"


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """Without the end of its line."""
    (tmp_path / "header").write_text("Bearer abc\n")
    lines = {"url": "https://influx/api/v3/write_lp?db=m", "authorization_file": tmp_path / "header"}
    settings = OutletSettings(database_dsn=DSN, lines=lines)  # type: ignore[arg-type]
    assert settings.lines.secret() == "Bearer abc"
    assert settings.outputs() == ["lines"]
