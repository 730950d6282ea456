"""What each parameter does, its unit, bounds and default, for people: made from the models, for every place."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import Field

from broker.contract.messages import SECONDS, Message, Parameters
from broker.patterns import RELEASE, SOURCE


class SoftwareParameters(Message):
    """Which software devices should run: set, staged and brought back as parameters are, and sent to updaters apart."""

    software_release: str = Field(
        default="", max_length=64, pattern=f"^({RELEASE})?$",
        json_schema_extra={"form": "a release such as 0.3.0, or empty for none"},
        description="The release of Wattline that a device should run: its updater fetches it, tries it for"
        " software_probation_s, and goes back by itself where it does harm. If empty, a device keeps what it runs.",
    )  # fmt: skip
    software_source: str = Field(
        default="", max_length=1024, pattern=f"^({SOURCE})?$",
        json_schema_extra={"form": "an address such as https://releases.example/wattline, or empty for none"},
        description="Where updaters find releases: the address of the public folder of signed documents and files.",
    )  # fmt: skip
    software_probation_s: float = Field(
        default=600.0, ge=10, le=86400, json_schema_extra=SECONDS,
        description="How long new software has to prove itself, by readings that the store confirms, before a device"
        " goes back to the old one by itself.",
    )  # fmt: skip
    software_memory_limit_mib: int = Field(
        default=128, ge=32, le=4096, json_schema_extra={"unit": "MiB"},
        description="Memory that the agent of a new release may hold while it is tried; one that holds more goes back.",
    )  # fmt: skip


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
    """Every parameter by name, in the models' order."""
    properties: dict[str, dict[str, Any]] = {}
    for model in (Parameters, SoftwareParameters):
        properties |= model.model_json_schema()["properties"]
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
