"""How PostgreSQL's programs are told which database is backed up."""

from pathlib import Path

import pytest

from deploy.backup.database import DatabaseAccess


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql:///wattline", "postgresql:///wattline"),
        ("postgresql:///wattline?host=/run/postgresql", "postgresql:///wattline?host=/run/postgresql"),
        ("postgresql://me:secret@db.example:5433/a%2Fb", "postgresql://me@db.example:5433/a%2Fb"),
    ],
)
def test_a_program_is_told_the_database_without_its_password(
    dsn: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no host is named, as on the server itself: then by its socket."""
    (tmp_path / "psql").write_text('#!/bin/sh\nfor word; do case $word in --dbname=*) echo "$word";; esac; done\n')
    (tmp_path / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert DatabaseAccess(dsn, None).ask("SELECT 1") == f"--dbname={told}"
