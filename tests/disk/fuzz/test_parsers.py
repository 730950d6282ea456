"""What `make fuzz` found once, and a taste of it for every parser."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.fuzz import attempt
from tests.fuzz.attempt import Job, do
from tests.fuzz.registry import TARGETS
from tests.fuzz.targets import TARGETS as ALL

INPUTS = 40
SEED = 7
DEEP = b"[" * 3000 + b"]" * 3000
FOUND = {
    "ports-file": DEEP,
    "commands-file": DEEP,
    "desired-file": DEEP,
    "http-cursor": DEEP,
    "message-event": b'{"detail": ' + DEEP + b"}",
}
"""By parser: an input that it once failed on, or that another failed on for the same reason."""


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files in this test's folder, and nothing left of what silences the parsers' logs and sets their environment."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(attempt, "CRASHES", tmp_path / "crashes")
    before, logging = dict(os.environ), structlog.get_config()
    yield
    attempt._made.cache_clear()
    structlog.configure(**logging)
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_answered_by_a_known_error(name: str) -> None:
    """Deeply nested JSON is one more broken document, in a file as over HTTP."""
    one = TARGETS[name]()
    with contextlib.suppress(*one.known):
        one.attempt(FOUND[name])


@pytest.mark.parametrize("name", sorted(ALL))
def test_only_known_errors_come_out(name: str) -> None:
    """A few mutated good inputs and some noise."""
    outcome = do(Job(name, SEED, 0, INPUTS))
    assert outcome.done == INPUTS
    assert not [f"{crash.error}: {crash.command}" for crash in outcome.crashes]


def test_a_parser_that_fails_is_told_with_its_input(tmp_path: Path) -> None:
    """The fuzzer itself notices an unknown error, saves the input, and names the place."""
    made = TARGETS["topics"]()

    def fails(data: bytes) -> None:
        raise ZeroDivisionError(data[:1])

    crash = attempt._attempt(type(made)(made.name, fails, made.seeds, made.known, 1), b"abc")
    assert crash is not None
    assert "ZeroDivisionError" in crash.error
    assert [path.read_bytes() for path in (tmp_path / "crashes").iterdir()] == [b"abc"]
