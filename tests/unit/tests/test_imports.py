"""Where tests take from one another what they share."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[2]


def imported(path: Path) -> set[str]:
    """The modules that a file names in its imports."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return whole | {f"{node.module}.{alias.name}" for node in parts for alias in node.names}


def test_no_test_imports_another() -> None:
    """What two tests share is a rig: else one that is changed breaks another, and one is run for the other's sake."""
    found = {
        (path.relative_to(TESTS).as_posix(), name)
        for path in TESTS.rglob("*.py")
        for name in imported(path)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    }
    assert found == set()
    assert "tests.rigs.servers.Broker" in imported(TESTS / "conftest.py"), "imports are found"
