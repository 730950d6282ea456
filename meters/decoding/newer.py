"""Specs that a newer Wattline wrote: what this one does not know is left out, where readings stay what they must be."""

from typing import Any, Final

from pydantic import ValidationError

from broker.errors import ContractError
from meters.decoding.goldens import check
from meters.specs.spec import Golden, Spec, spec_from

_BESIDE: Final = {"history": "profile", "event_log": "log"}
"""Sections beside the readings of now, with what goldens say of them: one that is unknown here costs no reading."""
_FIX: Final = "update the agent"


def spec_from_newer(document: dict[str, Any], *, origin: str) -> tuple[Spec, tuple[str, ...]]:
    """Read a spec, and name the fields of it that are unknown here and were left out; mostly none.

    What is left out may have changed a reading: the spec's own goldens tell. Raises ContractError that names the field
    and the fix where what is left is no spec, or where it fails a golden that is known in all its fields.
    """
    try:
        return spec_from(document, origin=origin), ()
    except ContractError as refusal:
        left_out, rest = _without_unknown(document)
        if not left_out:
            raise
        known = _known(rest, left_out, origin, refusal)
    goldens = _judged(known, left_out)
    told = any(golden.frame.capture is None for golden in goldens)
    if not told and not _BESIDE.keys() >= set(left_out):
        raise ContractError(
            f"unknown here, and no golden tells whether readings change [{origin}]", field=left_out[0], fix=_FIX
        )
    if difference := next(iter(check(known.model_copy(update={"goldens": goldens}))), None):
        raise ContractError(
            f"what is unknown here changes readings: {difference} [{origin}]", field=left_out[0], fix=_FIX
        )
    return known, left_out


def _judged(spec: Spec, left_out: tuple[str, ...]) -> tuple[Golden, ...]:
    """The goldens that can be told: known in all their fields, without what a section that was left out would give."""
    partly = {place.split(".")[1] for place in left_out if place.startswith("goldens.")}
    without = {golden: () for section, golden in _BESIDE.items() if section in left_out}
    whole = (golden.model_copy(update=without) for n, golden in enumerate(spec.goldens) if str(n) not in partly)
    return tuple(golden for golden in whole if golden.values or golden.meters or golden.profile or golden.log)


def _known(rest: dict[str, Any], left_out: tuple[str, ...], origin: str, refusal: ContractError) -> Spec:
    try:
        return Spec.model_validate(rest, extra="ignore")
    except ValidationError:
        reason = f"{refusal.reason}; without {', '.join(left_out[:4])} it is no spec"
        raise ContractError(f"{reason} [{origin}]", field=refusal.field, fix=_FIX) from None


def _without_unknown(document: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The unknown fields' places, and the document without the sections beside that are not known as they stand."""
    try:
        Spec.model_validate(document)
    except ValidationError as error:
        entries = error.errors(include_url=False, include_input=False)
        beside = {str(entry["loc"][0]) for entry in entries if entry["loc"] and entry["loc"][0] in _BESIDE}
        unknown = [
            ".".join(map(str, entry["loc"]))
            for entry in entries
            if entry["type"] == "extra_forbidden" and entry["loc"][0] not in beside
        ]
        return (*sorted(beside), *unknown), {name: part for name, part in document.items() if name not in beside}
    return (), document
