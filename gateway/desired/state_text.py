"""The state of a device's configuration, in words for people. Pure functions over documents of the API."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

WORDS: Final = {
    "waiting": "not reported yet",
    "refused": "refused",
    "reverted": "reverted",
    "on_probation": "on probation",
    "never_confirmed": "never confirmed",
    "confirmed": "applied",
}
NAMED_MAX: Final = 5


def plain(field: str) -> str:
    """A field's name without what says that it is a parameter."""
    return field.removeprefix("parameters.")


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def in_short(one: Mapping[str, Any]) -> str:
    """The desired version of a device with its state, for a cell of a table; '' where nothing is desired."""
    if one["desired_version"] is None:
        return ""
    state = one["config_state"]
    if state == "waiting" and one["reported_version"] is not None:
        return f"{one['desired_version']} {WORDS[state]} ({one['reported_state']} {one['reported_version']})"
    lacking = f", without {listed([plain(field) for field in one['held_back']])}" if one["held_back"] else ""
    return f"{one['desired_version']} {WORDS[state]}{lacking}"


def at_length(state: str | None, report: Mapping[str, Any] | None) -> str:
    """What a device says of its configuration, with what that means where it is not well."""
    if report is None:
        return "nothing reported yet"
    text = f"{report['state']} {report['version']}"
    if state == "on_probation":
        return f"{text}, on probation: {awaited(report)}"
    if state == "never_confirmed":
        return f"{text}, never confirmed: {awaited(report)}"
    if report["state"] == "reverted":
        return f"{text}, {kept(report)}"
    return text


def awaited(report: Mapping[str, Any]) -> str:
    """What a configuration on probation waits for."""
    if report["watched"]:
        return f"waits for readings of {listed(report['watched'])}"
    why = "; ".join(f"{one['field']}: {one['reason']}" for one in report["reasons"])
    return why or ("no meter has spoken since" if report["watched"] is not None else "waits for readings")


def kept(report: Mapping[str, Any]) -> str:
    """What holds in place of a reverted version."""
    fields = listed([plain(field) for field in report["held_back"]])
    if report["in_force"] == report["version"]:
        return f"in force without {fields}" if fields else "in force"
    back = f"{report['in_force']} is in force" if report["in_force"] is not None else "the last good one is in force"
    return f"{back}, held back: {fields}" if fields else back


def attendance(one: Mapping[str, Any]) -> str:
    """Whether a device is there, and whether its meters are."""
    if one["revoked"]:
        return "revoked"
    if one["online"] is None:
        return "never seen"
    if not one["online"]:
        return "no"
    if not one["silent"]:
        return "yes"
    return "yes, silent" if len(one["silent"]) >= one["meter_count"] else f"yes, {len(one['silent'])} silent"
