"""Parameters as fields of a form: what a scope sets, what holds, and the changes that a form asks for."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from broker.messages import Parameters
from gateway.console.desk import shown
from gateway.stage_plan import steps_of

_SCHEMA: dict[str, dict[str, Any]] = Parameters.model_json_schema()["properties"]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter on a page. `own` is what this scope sets, empty where the layers below decide."""

    name: str
    kind: str
    own: str
    effective: str
    layer: str
    reported: str | None
    """What the device has, where that differs."""
    choices: tuple[str, ...]
    least: float | None
    most: float | None
    about: str
    error: str = ""


def fields(
    document: Any, typed: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> list[Field]:
    """The fields of a scope's parameters, with what a person `typed` in place of what holds."""
    values = document.effective.model_dump(mode="json")
    layers = document.layers
    own = layers[-1].parameters
    from_layer = {name: layer.scope for layer in layers for name in layer.parameters}
    reported = getattr(document, "reported", None)
    found = []
    for name, schema in _SCHEMA.items():
        kind, choices = _kind(schema)
        has = reported.effective.get(name) if reported else None
        differs = reported is not None and name in reported.effective and has != values[name]
        found.append(
            Field(
                name,
                kind,
                (typed or {}).get(name, shown(own[name]) if name in own else ""),
                shown(values[name]),
                from_layer.get(name, "default"),
                shown(has) if differs else None,
                choices,
                schema.get("minimum"),
                schema.get("maximum"),
                _about(schema),
                (errors or {}).get(name, ""),
            )
        )
    return found


def changes(typed: Mapping[str, str], own: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that a form asks for: what differs from what the scope sets, None for what is given back."""
    patch: dict[str, Any] = {}
    for name, schema in _SCHEMA.items():
        text = typed.get(name)
        if text is None or text.strip() == (shown(own[name]) if name in own else ""):
            continue
        patch[name] = None if not text.strip() else _value(text.strip(), _kind(schema)[0])
    return patch


def staged(typed: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A staged change as the API takes it; what is left empty is as the API has it."""
    steps = steps_of(re.split(r"[;\s]+", typed.get("stage-steps", "")))
    limits = {name: typed.get(f"stage-{name}", "").strip() for name in ("settle_s", "timeout_s", "max_failed_percent")}
    given = {name: _value(text, "number") for name, text in limits.items() if text}
    return {"parameters": dict(wanted), **({"steps": steps} if steps else {}), **given}


def by_field(faults: Iterable[Any]) -> dict[str, str]:
    """What is wrong with each parameter, in a sentence."""
    found: dict[str, str] = {}
    for fault in faults:
        sentence = fault.reason + (f"; {fault.fix}" if fault.fix else "")
        found.setdefault(fault.field.removeprefix("parameters.").partition(".")[0], sentence)
    return found


def _kind(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if "enum" in schema:
        return "choice", tuple(str(one) for one in schema["enum"])
    if schema["type"] == "boolean":
        return "choice", ("true", "false")
    return str(schema["type"]), ()


def _about(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    limits = f"{low:g} to {high:g}" if low is not None and high is not None else ""
    return limits or ("patterns, with commas between" if schema["type"] == "array" else "")


def _value(text: str, kind: str) -> Any:
    """What a text says, as JSON; one that says nothing of this kind goes on as text, for the model to refuse."""
    if kind == "array":
        return [part.strip() for part in text.split(",") if part.strip()]
    if text in ("true", "false"):
        return text == "true"
    if kind in ("number", "integer"):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return value if isinstance(value, int | float) else text
    return text
