"""Whom a change is said to be by."""

import ast
from pathlib import Path

import pytest

from gateway import principals
from gateway.principals import Principal, author_of


@pytest.mark.parametrize(
    ("claimed", "author"),
    [
        (None, "anna"),
        ("", "anna"),
        ("anna", "anna"),
        ("eva", "anna (for eva)"),
        ("system", "anna (for system)"),
        ("eva) (for tom", "anna (for eva) (for tom)"),
        ("eva\u202e\x00", "anna (for eva)"),
        ("e" * 300, f"anna (for {'e' * 64})"),
    ],
)
def test_who_was_recognised_comes_first_whatever_is_claimed(claimed: str | None, author: str) -> None:
    """A claim stands in brackets behind, cut and without signs that could turn the line about."""
    assert author_of("anna", claimed) == author
    assert author.partition(" ")[0] == "anna"


def test_whatever_name_the_platform_acts_under_is_reserved() -> None:
    """All of them stand in gateway/principals.py, however a person writes them; no call elsewhere makes one up."""
    found = [value for name, value in vars(principals).items() if name.isupper()]
    own = {value for value in found if isinstance(value, str)}
    own |= {value.name for value in found if isinstance(value, Principal)}
    assert {"local", "api", "hand", "system", "enrolment", "gateway", "ingestor"} <= own
    assert [name for name in own if not (principals.is_reserved(name) and principals.is_reserved(name.upper()))] == []
    folder = Path(principals.__file__).parent
    literal = [
        f"{file.relative_to(folder)}:{word.value.lineno}"
        for file in folder.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg in ("author", "by", "actor") and isinstance(word.value, ast.Constant) and word.value.value
    ]
    assert literal == [], "name it in gateway/principals.py"
