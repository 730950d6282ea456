"""What of a configuration failed, known by its content, and a configuration without that. Pure functions."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from broker.contract.messages import Desired, MeterConfig, Parameters, Reason
from device.config.state_file import Part

INCLUDE: Final = "parameters.obis_include"
EXCLUDE: Final = "parameters.obis_exclude"
CAN_SILENCE: Final = frozenset({INCLUDE, EXCLUDE, "parameters.reading_interval_s"})
"""Parameters that can keep a meter from being read; the others are suspected only where none of these changed."""
SHOWN_MAX: Final = 200


def spec_field(key: str) -> str:
    """The field of a meter's spec."""
    return f"meters.{key}.spec"


def values(desired: Desired) -> dict[str, Any]:
    """Each field of a configuration with its value as JSON has it."""
    parameters = desired.parameters.model_dump(mode="json")
    specs = {spec_field(key): meter.spec for key, meter in desired.meters.items()}
    return {**{f"parameters.{name}": value for name, value in parameters.items()}, **specs}


def changed(desired: Desired, good: Desired | None) -> dict[str, Any]:
    """The fields that differ from the last good configuration and could go back to it, with the new values.

    Parameters can go back to their defaults where there is no good one, but the spec of a new meter to nothing.
    """
    before = values(good or Desired(version=1))
    return {
        field: value
        for field, value in values(desired).items()
        if value != before.get(field) and (field.startswith("parameters.") or before.get(field) is not None)
    }


def parts_of(key: str, suspects: Collection[str], changes: Mapping[str, Any]) -> tuple[Part, ...]:
    """What of the changes can be to blame for a meter that gives no good reading; nothing where going back won't help.

    `suspects` are the fields by which it failed, none where nobody knows: then each change is one on its own.
    """
    spec = spec_field(key)
    if suspects:
        known = [field for field in suspects if field in changes]
        if not known and spec in changes:
            known = [spec]
        return ({field: changes[field] for field in known},) if known else ()
    likely = {field: value for field, value in changes.items() if field in CAN_SILENCE or field == spec}
    return each(likely or changes)


def each(changes: Mapping[str, Any]) -> tuple[Part, ...]:
    """Every change on its own, where what ended the trial says nothing about them."""
    return tuple({field: value} for field, value in changes.items())


def carried(parts: Iterable[Part], desired: Desired) -> tuple[Part, ...]:
    """The parts that a configuration has wholly in it."""
    given = values(desired)
    return tuple(part for part in parts if all(field in given and given[field] == part[field] for field in part))


def without(desired: Desired, good: Desired | None, fields: Collection[str]) -> Desired:
    """The configuration with these fields as the last good one has them; it has no hash, as nobody published it."""
    parameters = good.parameters if good is not None else Parameters()
    names = [name for name in Parameters.model_fields if f"parameters.{name}" in fields]
    kept = desired.parameters.model_copy(update={name: getattr(parameters, name) for name in names})
    before = good.meters if good is not None else {}
    meters = {
        key: before.get(key, MeterConfig()) if spec_field(key) in fields else meter
        for key, meter in desired.meters.items()
    }
    return desired.model_copy(update={"parameters": kept, "meters": meters, "hash": None})


def fallback(failed: Desired, good: Desired | None, parts: Iterable[Part]) -> Desired:
    """What holds after a revert: the last good configuration, with the specs of meters that it did not know.

    Where there never was a good one: the failed one without what failed.
    """
    if good is None:
        return without(failed, None, {field for part in parts for field in part})
    known = {key for key, meter in good.meters.items() if meter.spec is not None}
    new = {key: meter for key, meter in failed.meters.items() if meter.spec is not None and key not in known}
    if not new:
        return good
    return failed.model_copy(update={"parameters": good.parameters, "meters": {**good.meters, **new}, "hash": None})


def same_content(one: Desired | None, other: Desired | None) -> bool:
    """Whether two configurations say the same, whatever their versions."""
    if one is None or other is None:
        return one is other
    return (one.parameters, one.meters) == (other.parameters, other.meters)


def held_reasons(parts: Iterable[Part], tried: int, in_force: Desired) -> tuple[Reason, ...]:
    """Why fields of a version are not in force, each with the way out."""
    now = values(in_force)
    return tuple(
        Reason(
            field=field[:256],
            reason=f"{_text(value)} was tried in version {tried} and undone, so {_text(now.get(field))} stays; "
            "set another value, or give the command retry_config",
        )
        for part in parts
        for field, value in part.items()
    )


def _text(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return (text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "...") or "nothing"
