"""How tests wait: on conditions, or for times that the test itself sets, never for as long as it seemed to take."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PROGRAMS = {"chaos", "cluster", "fuzz", "rigs"}
"""What plays faults and meters in real time, and what waits for all others."""


def hopes(tree: ast.AST, *, polls: bool = False) -> Iterator[int]:
    """The lines that sleep for a number of seconds; in a loop it is the pace of a poll or of a player."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from hopes(node)
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("asyncio.sleep", "time.sleep", "sleep"):
            named = any(isinstance(one, ast.Name) for one in ast.walk(node.args[0]))
            if not polls and not named and ast.literal_eval(node.args[0]):
                yield node.lineno
        yield from hopes(node, polls=polls or isinstance(node, ast.While | ast.For | ast.AsyncFor))


def test_no_test_sleeps_and_hopes() -> None:
    """A time that is needed has a name that says of what; the end of another's work is waited for with `until`."""
    paths = [path for path in TESTS.rglob("*.py") if path.relative_to(TESTS).parts[0] not in PROGRAMS]
    texts = {path: path.read_text("utf-8") for path in paths}
    found = {
        f"{path.relative_to(TESTS)}:{line}"
        for path, text in texts.items()
        if "sleep" in text
        for line in hopes(ast.parse(text))
    }
    assert found == set()
    assert len(paths) > 200


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("async def f():\n    await asyncio.sleep(0.5)", [2]),
        ("async def f():\n    async with x:\n        time.sleep(1)", [3]),
        ("async def f():\n    for n in x:\n        async def g():\n            await asyncio.sleep(1)", [4]),
        ("async def f():\n    while not done():\n        await asyncio.sleep(0.01)", []),
        ("async def f():\n    await asyncio.sleep(0)", []),
        ("async def f():\n    await asyncio.sleep(3 * AWAY_S)", []),
    ],
    ids=["number", "blocking", "within", "poll", "none", "named"],
)
def test_a_sleep_is_told_from_a_poll(text: str, lines: list[int]) -> None:
    """A number outside a loop is hope; none at all lets others run, and a named time is part of the test."""
    assert list(hopes(ast.parse(text))) == lines
