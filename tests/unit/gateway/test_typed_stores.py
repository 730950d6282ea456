"""What a row holds is known by its type: SQL runs as typed statements only, and stores know no `Any`."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
READER: Final = "gateway/api/reads.py"
"""Runs statements at a replica, as a pool does at the primary."""
RUNS: Final = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor"}
PROBE: Final = "SELECT 1"


def runs_sql(text: str) -> Iterator[int]:
    """Lines where a module runs SQL itself, the probe of a connection apart."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNS:
            first = node.args[0] if node.args else None
            if not (isinstance(first, ast.Constant) and first.value == PROBE):
                yield node.lineno


def is_store(file: str) -> bool:
    """Whether a module declares statements by the rule that they stand in stores."""
    return Path(file).name == "store.py" or Path(file).parent.name == "store"


def modules(*rooms: str) -> dict[str, str]:
    """All modules of these packages, by path."""
    return {str(file.relative_to(ROOT)): file.read_text() for room in rooms for file in (ROOT / room).rglob("*.py")}


def test_sql_runs_as_typed_statements_only() -> None:
    """Else a row would come whose columns nobody has compared with anything."""
    found = {f"{file}:{line}" for file, text in modules("gateway").items() if file != READER for line in runs_sql(text)}
    assert found == set()


def test_a_store_knows_what_its_rows_hold() -> None:
    """What is in a document is at least an object, which who reads it must look into."""
    stores = {file: text for file, text in modules("gateway", "ingestor", "intake").items() if is_store(file)}
    assert len(stores) > 15
    loose = {
        f"{file}:{node.lineno}"
        for file, text in stores.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and node.id == "Any"
    }
    assert loose == set()


@pytest.mark.parametrize("text", ["await pool.fetch(load('x'))", "await connection.execute(text, 1)"])
def test_sql_that_a_module_runs_is_found(text: str) -> None:
    """And the probe of a connection is none."""
    assert list(runs_sql(f"async def run():\n    {text}"))
    assert not list(runs_sql(f"async def run():\n    await pool.fetchval({PROBE!r})"))
