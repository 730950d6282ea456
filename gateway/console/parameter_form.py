"""Parameters as fields of a form: what a scope sets, what holds, and the changes that a form asks for."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from broker.contract.parameters import ParameterHelp, parameter_help, value_text
from gateway.parameters.stages.plan import steps_of


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter on a page. `own` is what this scope sets, empty where the layers below decide."""

    help: ParameterHelp
    own: str
    effective: str
    layer: str
    reported: str | None
    """What the device has, where that differs."""
    error: str = ""

    @property
    def name(self) -> str:
        """The parameter's."""
        return self.help.name

    @property
    def bounds(self) -> str:
        """What may be typed, and what holds where nobody says anything."""
        return f"{self.help.limits}; default {self.help.default_text}"


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
    for name, told in parameter_help().items():
        has = reported.effective.get(name) if reported else None
        differs = reported is not None and name in reported.effective and has != values[name]
        found.append(
            Field(
                told,
                (typed or {}).get(name, _own(own, name)),
                f"{value_text(values[name])} {told.unit}".rstrip(),
                from_layer.get(name, "default"),
                f"{value_text(has)} {told.unit}".rstrip() if differs else None,
                (errors or {}).get(name, ""),
            )
        )
    return found


def changes(typed: Mapping[str, str], own: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that a form asks for: what differs from what the scope sets, None for what is given back."""
    patch: dict[str, Any] = {}
    for name, told in parameter_help().items():
        text = typed.get(name)
        if text is None or text.strip() == _own(own, name):
            continue
        patch[name] = None if not text.strip() else _value(text.strip(), told.kind)
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


def _own(own: Mapping[str, Any], name: str) -> str:
    """What a scope sets, as text of a field; an empty list is an empty field."""
    return value_text(own[name]) if own.get(name) not in (None, "", [], ()) else ""


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
