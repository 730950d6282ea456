"""Layers of parameters: what a scope says of its own, and how layers become one valid whole. Pure functions."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, create_model

from broker.contract.address import authority_ill_timed
from broker.contract.messages import Message, MeterConfig, MeterKey, Parameters
from broker.contract.parameters import SoftwareParameters, parameter_help
from broker.patterns import OBIS_FILTER, whole
from gateway.faults import Fault
from gateway.validation import OBIS_LISTS, WHOLE_NUMBER, faults_of

FLEET = "fleet"
M = TypeVar("M", bound=Message)
ObisPattern = Annotated[str, StringConstraints(pattern=whole(OBIS_FILTER))]


def device_scope(device: str) -> str:
    """The scope of one device's own layer."""
    return f"device:{device}"


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


class EffectiveParameters(SoftwareParameters, Parameters):
    """All that layers may set, with the defaults that hold where nobody says otherwise."""


class ParameterSet(Message):
    """Parameters that a layer sets; what it leaves out, the layers below say."""


def _without_default(schema: dict[str, Any]) -> None:
    # what is left out is not null: it is not said
    schema.pop("default", None)


def _fields(*, nullable: bool) -> dict[str, Any]:
    fields = {}
    for name, field in EffectiveParameters.model_fields.items():
        annotation: Any = tuple[ObisPattern, ...] if name in OBIS_LISTS else field.annotation
        integral = (WHOLE_NUMBER,) if annotation is int else ()
        kind: Any = Annotated[(annotation, *field.metadata, *integral, name)]
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


def merged_values(layers: Iterable[Layer], model: type[Message] = Parameters) -> dict[str, Any]:
    """What layers that lie over one another say together, the lowest first; only what the model knows."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge_patch(merged, layer.parameters)
    return {name: value for name, value in merged.items() if name in model.model_fields}


def faults_of_whole(layers: Iterable[Layer], changed: Collection[str]) -> list[Fault]:
    """What the parameter models say against the whole where these parameters changed.

    What is wrong with others stood there before, and compose() passes it over.
    """
    merged = merged_values(layers, EffectiveParameters)
    try:
        whole = EffectiveParameters.model_validate_json(_DOCUMENT.dump_json(merged))
    except ValidationError as error:
        return [one for one in faults_of(error) if one.field == "body" or one.field.partition(".")[0] in changed]
    if "broker_authority" in changed and (wrong := authority_ill_timed(whole.broker_authority, datetime.now(UTC))):
        return [Fault("broker_authority", wrong, "give the CA that the broker's certificate is signed by now")]
    if whole.software_release and not whole.software_source and {"software_release", "software_source"} & set(changed):
        fix = "set it here or in a layer below: the public folder of releases"
        return [Fault("software_source", f"nothing says where release {whole.software_release} is", fix)]
    return []


def compose(layers: Iterable[Layer], without: Collection[str] = ()) -> Parameters:
    """The parameters that hold for the agent where layers lie over one another, the lowest first, `without` some.

    Parameters of documents that this version no longer knows, or no longer allows, are passed over: a document that
    once was valid must not stop the fleet's configuration.
    """
    return _composed(Parameters, _without(merged_values(layers), without))


def effective(layers: Iterable[Layer], without: Collection[str] = ()) -> EffectiveParameters:
    """The same of all parameters, those for updaters among them."""
    return _composed(EffectiveParameters, _without(merged_values(layers, EffectiveParameters), without))


def software(layers: Iterable[Layer]) -> SoftwareParameters | None:
    """What software holds where layers lie over one another; None where they name no release, or not where it is."""
    merged = merged_values(layers, SoftwareParameters)
    if not merged.get("software_release") or not merged.get("software_source"):
        return None
    found = _composed(SoftwareParameters, merged)
    return found if found.software_release and found.software_source else None


def _without(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _composed(model: type[M], merged: dict[str, Any]) -> M:
    while True:
        try:
            return model.model_validate_json(_DOCUMENT.dump_json(merged))
        except ValidationError as error:
            bad = {str(problem["loc"][0]) for problem in error.errors(include_url=False) if problem["loc"]}
            # a rule about several parameters names none of them: then only the defaults are sure to fit together
            merged = {name: value for name, value in merged.items() if bad and name not in bad}


def read_changes(model: type[Message], payload: bytes) -> dict[str, Any]:
    """Read a ParameterPatch or ParameterLayer: JSON-able values by name, None where a parameter is given back.

    Raises ValidationError (see gateway.validation).
    """
    given = model.model_validate_json(payload)
    return given.model_dump(mode="json", include=set(given.model_fields_set))
