"""Services with a wrong address of the database, as processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["ingestor", "gateway"])
def test_services_end_with_a_sentence(name: str) -> None:
    """A service with such a DSN ends with status 1 and one line, out of whatever task it found it in."""
    settings = {"DATABASE_DSN": "postgresql://postgres@127.0.0.1:99999/x", "HTTP_PORT": "0", "BROKER__PORT": "1"}
    environment = {f"WATTLINE_{name.upper()}_{key}": value for key, value in settings.items()}
    command = [sys.executable, "-m", name]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert f"wattline {name}: the database's DSN has the port 99999" in ended.stderr
    assert "Traceback" not in ended.stderr
