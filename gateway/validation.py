"""What a model refused of a document, as faults that name the field and what may stand there. Pure functions."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BeforeValidator, ValidationError

from broker.contract.messages import Parameters
from broker.contract.parameters import SoftwareParameters, parameter_help
from broker.patterns import NAME, NAME_MAX, OBIS_FILTER, whole
from broker.plain_errors import plain_reason
from broker.selectors import NAME_RULE
from gateway.faults import Fault, Kind, Refusal

MAX_TEXT: Final = NAME_MAX
"""Characters of a name or a value."""

KNOWN: Final = tuple(Parameters.model_fields)
"""The parameters that an agent obeys."""
SETTABLE: Final = (*KNOWN, *SoftwareParameters.model_fields)
"""The names of all parameters that layers may set, those for updaters among them."""
OBIS_LISTS: Final = ("obis_include", "obis_exclude")
OBIS_RULE: Final = 'write patterns such as "1-0:1.8.*": digits, * . : - &'


def _whole(value: Any) -> Any:
    # JSON has one kind of number, and its schemas call 5.0 an integer
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE_NUMBER: Final = BeforeValidator(_whole)
"""Beside a strict `int`: 5.0 is taken, 5.5 is not."""


def mismatch(error: ValidationError, known: Sequence[str], *, secret: bool = False) -> Refusal:
    """What a model with these `known` fields refused of a request: malformed where it is no JSON at all.

    What was sent of a `secret` is not said again: the answer is shown, and stands in the audit.
    """
    faults = faults_of(error, known, secret=secret)
    malformed = error.errors(include_url=False)[0]["type"] == "json_invalid"
    return Refusal(Kind.MALFORMED if malformed else Kind.INVALID, str(faults[0]), faults)


def faults_of(
    error: ValidationError,
    known: Sequence[str] = SETTABLE,
    *,
    parameters: Sequence[str] = SETTABLE,
    secret: bool = False,
) -> list[Fault]:
    """All that a validation found, with the `known` names where one is unknown; `parameters` are those of a part."""
    return [_fault(entry, known, parameters) for entry in error.errors(include_url=False, include_input=not secret)]


def _fault(entry: Any, known: Sequence[str], parameters: Sequence[str]) -> Fault:
    field = ".".join(str(part) for part in entry["loc"])[:200]
    if entry["type"] == "json_invalid":
        return Fault("body", plain_reason(entry), "send one JSON document")
    if entry["type"] == "extra_forbidden":
        # parameters may stand inside another document
        inside = field.startswith("parameters.")
        names = parameters if inside else known
        kind = "parameter" if inside or tuple(known) == SETTABLE else "field"
        return Fault(field, f"unknown {kind}", f"known are: {', '.join(names) or 'none'}")
    if "input" not in entry:
        return Fault(field or "body", plain_reason(entry), _allowed(field, entry["type"]))
    if entry["type"] == "string_pattern_mismatch" and entry["ctx"]["pattern"] == whole(NAME):
        return Fault(field, f"{str(entry['input'])[:80]!r} is no name", NAME_RULE)
    if entry["type"] == "string_pattern_mismatch" and entry["ctx"]["pattern"] == whole(OBIS_FILTER):
        return Fault(field, f"{str(entry['input'])[:80]!r} fits no OBIS code", OBIS_RULE)
    given = repr(entry.get("input"))
    shown = "" if entry["type"] == "missing" else f" (got {given[:77] + '...' if len(given) > 80 else given})"
    return Fault(field or "body", plain_reason(entry) + shown, _allowed(field, entry["type"]))


def _allowed(field: str, kind: str) -> str:
    name = field.removeprefix("parameters.").partition(".")[0]
    if name in OBIS_LISTS:
        return OBIS_RULE
    if (parameter := parameter_help().get(name)) is None:
        return "add it" if kind == "missing" else ""
    if parameter.choices or parameter.kind == "string":
        return parameter.limits
    return f"{'a whole number' if parameter.kind == 'integer' else 'a number'} from {parameter.limits}"
