"""`--wait`: until devices have confirmed, refused or reverted a change, or the time is over, and what to say of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

from cli.client.http import RequestRefusedError, ServiceUnreachableError
from cli.client.parameters import ParameterClient, Target
from cli.config.texts import told_change
from cli.options import ask
from gateway.desired.state_text import WORDS, at_length, awaited, kept, listed, plain

LOOK_S: Final = 1.0
REFUSED: Final = 3
"""Exit status: refused, or not reported in time."""
REVERTED: Final = 4
"""Exit status: tried, and undone for want of readings."""
UNPROVED: Final = 5
"""Exit status: in force, and neither confirmed nor undone in time."""
BUSY: Final = (429, 502, 503, 504)
BUSY_S: Final = 3.0
FINAL: Final = ("confirmed", "refused", "reverted")


@dataclass(frozen=True, slots=True)
class Ending:
    """Of how a change ended: the state of each device that it touched, and the newest document of a device."""

    states: Mapping[str, str]
    document: dict[str, Any]


async def settled(
    api: ParameterClient, target: Target, document: dict[str, Any], wait_s: float, changed: Collection[str]
) -> Ending:
    """Wait until each device that a change touched has confirmed, refused or reverted it, for so long at most.

    `changed` are its parameters, none where they are not known: what was reverted of others before does not count.
    The change is made: a gateway that is away or busy meanwhile is asked again.
    Raises its last error where the time is over.
    """
    end_s = time.monotonic() + wait_s
    said = ""
    while True:
        left_s = end_s - time.monotonic()
        try:
            ending = await _look(api, target, document, changed)
        except (ServiceUnreachableError, RequestRefusedError) as error:
            if left_s <= 0 or (isinstance(error, RequestRefusedError) and error.status not in BUSY):
                raise
            await asyncio.sleep(min(left_s, BUSY_S))
            continue
        if all(state in FINAL for state in ending.states.values()) or left_s <= 0:
            return ending
        told = _progress(target, ending)
        if told and told != said:
            click.echo(told, err=True)
            said = told
        await asyncio.sleep(min(left_s, LOOK_S))


async def _look(api: ParameterClient, target: Target, document: dict[str, Any], changed: Collection[str]) -> Ending:
    if target.device is not None:
        found = await api.parameters(target)
        return Ending({target.device: _state(found, document["version"], changed)}, found)
    touched = set(document["changed"])
    states: dict[str, str] = {}
    for one in await api.devices() if touched else ():
        if one["device"] not in touched:
            continue
        state = one["config_state"] or "waiting"
        if state == "reverted" and _spared(one["held_back"], changed):
            # only the device's own document says whether the rest of it is proved
            found = await api.parameters(Target(device=one["device"]))
            state = _state(found, found["version"], changed)
        states[one["device"]] = state
    return Ending(states, document)


def _state(found: Mapping[str, Any], version: int, changed: Collection[str]) -> str:
    """How a device took a version; what it holds back of others is left out of it."""
    report = found["reported"]
    if report is None or report["version"] < version:
        return "waiting"
    state = str(found["config_state"] or "waiting")
    if state == "reverted" and report["in_force"] == report["version"] and _spared(report["held_back"], changed):
        return "on_probation" if report["probation"] else "confirmed"
    return state


def _spared(held_back: Collection[str], changed: Collection[str]) -> bool:
    """Whether what is held back is none of this change."""
    return bool(changed) and bool(held_back) and not {plain(field) for field in held_back} & set(changed)


def _progress(target: Target, ending: Ending) -> str:
    report = ending.document.get("reported") if target.device is not None else None
    state = next(iter(ending.states.values()), None)
    if report is None or state not in ("on_probation", "never_confirmed"):
        return ""
    return f"{target.device} has configuration version {report['version']} on probation: {awaited(report)}"


def make_change(
    client: ParameterClient,
    target: Target,
    change: Callable[[ParameterClient], Awaitable[Any]],
    wait_s: float,
    changed: Collection[str],
    *,
    as_json: bool,
) -> None:
    """Make a change, say what it did, and how it ended where somebody waits for that."""
    document = ask(client, change)
    if not wait_s:
        told_change(document, target, as_json=as_json)
        return
    if not as_json:
        told_change(document, target, as_json=False)
    ending = ask(client, lambda api: settled(api, target, document, wait_s, changed))
    if as_json:
        told_change(ending.document, target, as_json=True)
    tell_ending(target, document, ending, wait_s, quiet=as_json)


def tell_ending(target: Target, document: dict[str, Any], ending: Ending, wait_s: float, *, quiet: bool) -> None:
    """Say how it ended; ends with a status of its own where it did not end well."""
    if target.device is not None:
        status, told = _of_one(target.device, document["version"], ending, wait_s)
    else:
        status, told = _of_many(ending, wait_s)
    if told and (status or not quiet):
        click.echo(told, err=bool(status))
    if status:
        raise SystemExit(status)


def _of_one(device: str, version: int, ending: Ending, wait_s: float) -> tuple[int, str]:
    report, state = ending.document["reported"], ending.states[device]
    if state == "waiting":
        return REFUSED, f"{device} has not reported configuration version {version} in {wait_s:g} s"
    why = "; ".join(f"{one['field']}: {one['reason']}" for one in report["reasons"])
    named = f"configuration version {report['version']}"
    if state == "refused":
        return REFUSED, f"{device} refused {named}: {why}"
    if state == "reverted":
        return REVERTED, f"{device} reverted {named} ({kept(report)}): {why}"
    if state != "confirmed":
        return UNPROVED, f"{device} has not confirmed {named} in {wait_s:g} s: {at_length(state, report)}"
    if report["state"] == "reverted":
        return 0, f"{device} applied {named}, {kept(report)}, as before"
    return 0, f"{device} applied {named}"


def _of_many(ending: Ending, wait_s: float) -> tuple[int, str]:
    by_state: dict[str, list[str]] = {}
    for device, state in sorted(ending.states.items()):
        by_state.setdefault(state, []).append(device)
    bad = {state: names for state, names in by_state.items() if state != "confirmed"}
    if not bad:
        return 0, ""
    waiting = f"no report in {wait_s:g} s from"
    told = "; ".join(f"{waiting if state == 'waiting' else WORDS[state]}: {listed(bad[state])}" for state in bad)
    if "reverted" in bad:
        return REVERTED, told
    return (REFUSED if {"refused", "waiting"} & bad.keys() else UNPROVED), told
