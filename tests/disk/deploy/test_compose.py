"""Secrets of the compose file as files."""

import re
import socket
import subprocess
from pathlib import Path

from tests.rigs.compose_file import DEPLOY, environment

EXAMPLE = environment(DEPLOY / ".env.example")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """Each empty place gets a secret of its own that can stand in an address; a second run changes nothing."""
    (tmp_path / ".env.example").write_text((DEPLOY / ".env.example").read_text())
    command = ["sh", str(DEPLOY / "compose" / "secrets.sh"), str(tmp_path)]
    assert "wrote" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = environment(tmp_path / ".env")
    secret = {name: value for name, value in made.items() if not EXAMPLE[name]}
    assert list(made) == list(EXAMPLE)
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in secret.values())
    assert len(set(secret.values())) == len(secret) == 7
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert socket.gethostname() in made["WATTLINE_NAMES"].split(","), "what devices call this machine"
    assert "stays" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert environment(tmp_path / ".env") == made
    ignored = subprocess.run(["git", "check-ignore", "-q", "deploy/.env"], cwd=DEPLOY.parent, check=False)
    assert ignored.returncode == 0, "the secrets could be committed"
