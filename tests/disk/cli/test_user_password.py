"""`wattline user` where nobody can be asked for a password."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("words", [("add", "anna", "--role", "viewer"), ("password", "anna")])
def test_without_a_terminal_it_is_said_how_to_give_a_password(words: tuple[str, ...]) -> None:
    """At once, and nothing of it is shown; by a file or standard input it goes on."""
    command = [sys.executable, "-m", "cli", "user", *words, "--url", "http://127.0.0.1:9", "--token", "x" * 24]

    def said(*more: str) -> tuple[int, str]:
        # a session of its own has no terminal, wherever the tests run
        ended = subprocess.run(
            [*command, *more], input=b"secret-word-here\n", capture_output=True, start_new_session=True, check=False,
            timeout=60, env=os.environ,
        )  # fmt: skip
        return ended.returncode, (ended.stdout + ended.stderr).decode()

    status, text = said()
    assert (status, "--password-file -" in text) == (2, True), text
    assert "Warning" not in text
    assert "secret" not in text
    status, text = said("--password-file", "-")
    assert (status, "http://127.0.0.1:9" in text) == (1, True), text
