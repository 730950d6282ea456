"""`deploy/compose.yaml` as Docker would read it: its variables filled in from a `.env` file, its anchors merged."""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<how>[?-])(?P<rest>[^}]*))?\}|\$")


def environment(file: Path) -> dict[str, str]:
    """The variables of a `.env` file."""
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def raw() -> dict[str, Any]:
    """The file with its anchors merged and its variables as they are written."""
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return read


def filled(variables: dict[str, str]) -> dict[str, Any]:
    """The whole file with its variables filled in (Compose Specification, interpolation)."""
    made: dict[str, Any] = _fill(raw(), variables)
    return made


def _fill(value: Any, variables: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: dict[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    assert found["name"], f"a $ that is neither $$ nor ${{NAME}} in {found.string!r}"
    value = variables.get(found["name"], "")
    if not value and found["how"] == "?":
        raise KeyError(found["name"])
    return value or (found["rest"] or "" if found["how"] == "-" else "")
