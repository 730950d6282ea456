"""What each parameter does, its unit, bounds and default, as people are told: made from the model, for every place."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from broker.messages import Parameters


@dataclass(frozen=True, slots=True)
class ParameterHelp:
    """One parameter; `least` and `most` are None where it is no number, `choices` empty where it is no choice."""

    name: str
    kind: str
    """JSON's name of its type: number, integer, boolean, string or array."""
    about: str
    """What it does."""
    unit: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]
    form: str
    """What a text must be; empty where the type or the choices say it."""
    default: str

    @property
    def limits(self) -> str:
        """What may be set: `0.2 to 86400 s`."""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g} {self.unit}".rstrip()
        if self.kind == "boolean":
            return " or ".join(self.choices)
        if self.form:
            return self.form
        return f"one of {', '.join(self.choices)}" if self.choices else "patterns, with commas between them"

    @property
    def default_text(self) -> str:
        """The default with its unit: `10 s`."""
        return f"{self.default} {self.unit}".rstrip()

    @property
    def text(self) -> str:
        """All of it in one paragraph."""
        return f"{self.about} {self.limits[0].upper()}{self.limits[1:]}; default: {self.default_text}."


def value_text(value: Any) -> str:
    """A parameter's value as an engineer would write it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def parameter_help() -> Mapping[str, ParameterHelp]:
    """Every parameter by name, in the model's order."""
    properties: dict[str, dict[str, Any]] = Parameters.model_json_schema()["properties"]
    return {name: _help(name, schema) for name, schema in properties.items()}


def _help(name: str, schema: Mapping[str, Any]) -> ParameterHelp:
    choices = ("true", "false") if schema["type"] == "boolean" else tuple(str(one) for one in schema.get("enum", ()))
    return ParameterHelp(
        name,
        str(schema["type"]),
        schema.get("description", ""),
        schema.get("unit", ""),
        schema.get("minimum"),
        schema.get("maximum"),
        choices,
        schema.get("form", ""),
        value_text(schema["default"]),
    )
