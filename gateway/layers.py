"""Layers of parameters: what a scope says of its own, and how layers become one valid whole. Pure functions."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, create_model

from broker.messages import Message, MeterConfig, MeterKey, Parameters
from broker.parameters import parameter_help
from broker.plain_errors import plain_reason
from broker.topics import NAME
from gateway.api_models import WHOLE
from gateway.labels import NAME_RULE

FLEET = "fleet"
KNOWN = tuple(Parameters.model_fields)
OBIS_LISTS = ("obis_include", "obis_exclude")
OBIS_PATTERN = r"^[0-9*:.&-]{1,64}$"
"""What can fit an OBIS code; devices refuse any other pattern."""
OBIS_RULE = 'write patterns such as "1-0:1.8.*": digits, * . : - &'
ObisPattern = Annotated[str, StringConstraints(pattern=OBIS_PATTERN)]


def device_scope(device: str) -> str:
    """The scope of one device's own layer."""
    return f"device:{device}"


def group_scope(group: str) -> str:
    """The scope of a group's layer."""
    return f"group:{group}"


def merge_patch(target: Any, patch: Any) -> Any:
    """A document with a JSON Merge Patch applied (RFC 7396): null removes, objects merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


class ParameterSet(Message):
    """Parameters that a layer sets; what it leaves out, the layers below say."""


def _without_default(schema: dict[str, Any]) -> None:
    # what is left out is not null: it is not said
    schema.pop("default", None)


def _fields(*, nullable: bool) -> dict[str, Any]:
    fields = {}
    for name, field in Parameters.model_fields.items():
        annotation: Any = tuple[ObisPattern, ...] if name in OBIS_LISTS else field.annotation
        whole = (WHOLE,) if annotation is int else ()
        kind: Any = Annotated[(annotation, *field.metadata, *whole, name)]
        fields[name] = (
            kind | None if nullable else kind,
            Field(default=None, description=parameter_help()[name].text, json_schema_extra=_without_default),
        )
    return fields


ParameterLayer: type[Message] = create_model(
    "ParameterLayer",
    __base__=ParameterSet,
    __doc__="Parameters that one scope sets of its own; the rest comes from the layers below.",
    **_fields(nullable=False),
)
ParameterPatch: type[Message] = create_model(
    "ParameterPatch",
    __base__=ParameterSet,
    __doc__="Parameters to set (RFC 7396): a value sets one, null gives it back to the layers below.",
    **_fields(nullable=True),
)
_DOCUMENT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Layer(Message):
    """The document of one scope: parameters, and specs pinned for meters (device scope only)."""

    parameters: dict[str, Any] = Field(default_factory=dict)
    meters: dict[MeterKey, MeterConfig] = Field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """What table parameter_document keeps."""
        return self.model_dump(mode="json", exclude_none=True)

    def patched(self, changes: Mapping[str, Any]) -> "Layer":
        """The layer with parameters set, or given back where the value is None."""
        return self.model_copy(update={"parameters": merge_patch(self.parameters, changes)})

    def digest(self) -> str:
        """SHA-256 in hex over the canonical JSON of the document."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two documents say otherwise; None where one does not say it."""

    field: str
    before: Any
    after: Any


def differences(before: Layer, after: Layer) -> tuple[Difference, ...]:
    """What changed from one version of a layer to another, by field."""
    old, new = _flat(before), _flat(after)
    names = sorted(old.keys() | new.keys())
    return tuple(Difference(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _flat(layer: Layer) -> dict[str, Any]:
    pins = {f"meters.{key}.spec": config.spec for key, config in layer.meters.items()}
    return {**layer.parameters, **pins}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: the field, what is wrong, and what is wanted."""

    field: str
    reason: str
    fix: str = ""


def merged_values(layers: Iterable[Layer]) -> dict[str, Any]:
    """What layers that lie over one another say together, the lowest first; only parameters that we know."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge_patch(merged, layer.parameters)
    return {name: value for name, value in merged.items() if name in Parameters.model_fields}


def whole_problems(layers: Iterable[Layer], changed: Collection[str]) -> list[Problem]:
    """What the parameter model says against the whole where these parameters changed.

    What is wrong with others stood there before, and compose() passes it over.
    """
    try:
        Parameters.model_validate_json(_DOCUMENT.dump_json(merged_values(layers)))
    except ValidationError as error:
        return [one for one in problems(error) if one.field == "body" or one.field.partition(".")[0] in changed]
    return []


def compose(layers: Iterable[Layer], without: Collection[str] = ()) -> Parameters:
    """The parameters that hold where layers lie over one another, the lowest first, `without` some of them.

    Parameters of documents that this version no longer knows, or no longer allows, are passed over: a document that
    once was valid must not stop the fleet's configuration.
    """
    merged = {name: value for name, value in merged_values(layers).items() if name not in without}
    while True:
        try:
            return Parameters.model_validate_json(_DOCUMENT.dump_json(merged))
        except ValidationError as error:
            bad = {str(problem["loc"][0]) for problem in error.errors(include_url=False) if problem["loc"]}
            # a rule about several parameters names none of them: then only the defaults are sure to fit together
            merged = {name: value for name, value in merged.items() if bad and name not in bad}


def read_changes(model: type[Message], payload: bytes) -> dict[str, Any]:
    """Read a ParameterPatch or ParameterLayer: JSON-able values by name, None where a parameter is given back.

    Raises ValidationError (see problems()).
    """
    given = model.model_validate_json(payload)
    return given.model_dump(mode="json", include=set(given.model_fields_set))


def problems(error: ValidationError, known: Sequence[str] = KNOWN) -> list[Problem]:
    """All that a validation found, with the `known` names where one is unknown."""
    return [_problem(entry, known) for entry in error.errors(include_url=False)]


def _problem(entry: Any, known: Sequence[str]) -> Problem:
    field = ".".join(str(part) for part in entry["loc"])[:200]
    if entry["type"] == "json_invalid":
        return Problem("body", plain_reason(entry), "send one JSON document")
    if entry["type"] == "extra_forbidden":
        # parameters may stand inside another document
        inside = field.startswith("parameters.")
        names = KNOWN if inside else known
        kind = "parameter" if inside or tuple(known) == KNOWN else "field"
        return Problem(field, f"unknown {kind}", f"known are: {', '.join(names) or 'none'}")
    if entry["type"] == "string_pattern_mismatch" and entry["ctx"]["pattern"] == f"^{NAME.pattern}$":
        return Problem(field, f"{str(entry['input'])[:80]!r} is no name", NAME_RULE)
    if entry["type"] == "string_pattern_mismatch" and entry["ctx"]["pattern"] == OBIS_PATTERN:
        return Problem(field, f"{str(entry['input'])[:80]!r} fits no OBIS code", OBIS_RULE)
    given = repr(entry.get("input"))
    shown = "" if entry["type"] == "missing" else f" (got {given[:77] + '...' if len(given) > 80 else given})"
    return Problem(field or "body", plain_reason(entry) + shown, _allowed(field, entry["type"]))


def _allowed(field: str, kind: str) -> str:
    name = field.removeprefix("parameters.").partition(".")[0]
    if name in OBIS_LISTS:
        return OBIS_RULE
    if (told := parameter_help().get(name)) is None:
        return "add it" if kind == "missing" else ""
    if told.choices or told.kind == "string":
        return told.limits
    return f"{'a whole number' if told.kind == 'integer' else 'a number'} from {told.limits}"
