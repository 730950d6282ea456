"""No circle of imports between files: what two files need of one another is in a third, below both."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "broker",
    "meters",
    "store",
    "device",
    "ingestor",
    "intake",
    "gateway",
    "outlet",
    "cli",
    "grafana",
    "deploy",
)


def modules() -> dict[str, Path]:
    """All modules of the packages, with their files."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(source: str, known: set[str]) -> Iterator[str]:
    """The known modules that a source imports, in functions and for type checking, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from (name for name in (inner, node.module) if name in known)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The files of one circle, empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_one_another_in_a_circle() -> None:
    """import-linter keeps the rooms apart; this keeps the files within a room so."""
    files = modules()
    known = set(files)
    graph = {name: set(imports(path.read_text("utf-8"), known)) - {name} for name, path in files.items()}
    found = circle(graph)
    assert not found, f"{' <- '.join(found)}: move what they share into a file below them"


@pytest.mark.parametrize("graph", [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}])
def test_a_circle_is_found(graph: dict[str, set[str]]) -> None:
    """Of two files or of more."""
    assert circle(graph)
