"""Unit tests do no I/O: reading the repository's own files apart, one that does fails, and its place is tests/disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.unit_guard import io_done


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a unit test that asks for a folder to write in."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "tmp_path" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} writes files: its place is tests/disk")


@pytest.fixture(autouse=True)
def _no_io() -> Iterator[None]:
    """Fail a test that does I/O, whatever the code under test made of an error that it met there."""
    with io_done() as seen:
        yield
    assert not seen, f"a unit test does no I/O; its place is tests/disk: {seen}"
