"""Desired configurations published by hand: a valid one becomes a new version; MQTT does not say whose it is."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from broker.contract.address import authority_ill_timed
from broker.contract.messages import Desired, MeterConfig, Parameters
from broker.errors import ContractError
from broker.patterns import OBIS_FILTER
from gateway.bus.store import note_superseded
from gateway.desired.change import Change
from gateway.desired.layering import add_layer
from gateway.desired.layers import Layer, device_scope
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.desired.state import DeviceState
from gateway.events import record_event
from gateway.principals import HAND, author_of
from gateway.validation import KNOWN, OBIS_LISTS, faults_of

MAX_VERSION: Final = 2**53 - 2**20
"""The highest that a person may state: it leaves the gateway room to rise before VERSION_CEILING."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a message by hand comes to: the device's new layer, and the configuration to store."""

    layer: Layer
    desired: Desired
    changes: dict[str, Any]
    given: Desired


def consider(state: DeviceState, payload: bytes, catalogue: SpecCatalogue) -> Adoption:
    """Judge a message by hand. Pure; raises ContractError that names the field where it can't be adopted.

    What the message leaves out stays as it is. Where that makes the whole differ from the message itself, the version
    is one higher than the message's, so that the device takes the completed one.
    """
    given = Desired.parse(payload)
    _check_names(payload)
    current = state.desired.version if state.desired else 0
    if given.version <= current:
        raise ContractError(
            f"{given.version} is not above {current}, which holds", field="version", fix=f"at least {current + 1}"
        )
    if given.version > MAX_VERSION:
        raise ContractError(f"{given.version} leaves no room to rise", field="version", fix=f"at most {MAX_VERSION}")
    _check_patterns(given.parameters)
    before = state.parameters()
    changes = _changes(before, given.parameters)
    _check_known(state, changes)
    if wrong := authority_ill_timed(changes.get("broker_authority", ""), datetime.now(UTC)):
        raise ContractError(wrong, field="parameters.broker_authority", fix="give the CA of now")
    pins = _pins(state, given.meters, catalogue)
    layer = state.own.patched(changes)
    layer = layer.model_copy(update={"meters": {**layer.meters, **pins}})
    after = replace(state, own=layer)
    draft = Desired(
        version=given.version,
        author=author_of(HAND, _claimed(state, given)),
        at=datetime.now(UTC),
        parameters=after.parameters(),
        meters=after.assigned(catalogue) if state.meters else given.meters,
        not_supported=after.unsupported() or None,
    )
    if draft.digest() != given.digest():
        draft = draft.model_copy(update={"version": given.version + 1})
    return Adoption(layer, draft, changes, given)


def _claimed(state: DeviceState, given: Desired) -> str | None:
    """Whom a message names as its author; what it was copied from names another message's."""
    copied = state.desired is not None and given.author == state.desired.author
    return given.author if "author" in given.model_fields_set and not copied else None


async def adopt(change: Change, state: DeviceState, adoption: Adoption) -> Desired:
    """Store an adoption with its layer and its event."""
    connection = change.connection
    author = adoption.desired.author
    if adoption.layer != state.own:
        scope = device_scope(state.name)
        await add_layer(connection, scope, adoption.layer, author=author, reason="published by hand")
    desired = adoption.desired
    given = adoption.given.sealed()
    if given.version != desired.version:
        # it was published, and another gateway may come to it only now
        document = given.model_dump(mode="json", exclude_none=True)
        await note_superseded(connection, state.id, given.version, given.digest(), document, author)
    await change.replace(state.id, desired)
    detail = {"version": desired.version, "author": author, "changes": adoption.changes}
    await record_event(connection, "desired_adopted", device=state.name, detail=detail)
    return desired


def _check_names(payload: bytes) -> None:
    """Refuse names that nobody knows: a receiver passes a newer sender's over, but a person has mistyped them."""
    try:
        Desired.model_validate_json(payload)
    except ValidationError as error:
        fault = faults_of(error, tuple(Desired.model_fields), parameters=KNOWN)[0]
        raise ContractError(fault.reason, field=fault.field, fix=fault.fix) from error


def _check_patterns(parameters: Parameters) -> None:
    for name in OBIS_LISTS:
        for number, pattern in enumerate(getattr(parameters, name)):
            if not re.fullmatch(OBIS_FILTER, pattern):
                raise ContractError(
                    f"{pattern[:64]!r} fits no OBIS code", field=f"parameters.{name}.{number}", fix="digits, * . : - &"
                )


def _check_known(state: DeviceState, changes: dict[str, Any]) -> None:
    for name in state.unsupported():
        if name in changes:
            raise ContractError(
                f"the software of {state.name} does not know it", field=f"parameters.{name}", fix="leave it out"
            )


def _changes(before: Parameters, given: Parameters) -> dict[str, Any]:
    stated = given.model_dump(mode="json", include=set(given.model_fields_set))
    now = before.model_dump(mode="json")
    return {name: value for name, value in stated.items() if value != now[name]}


def _pins(state: DeviceState, given: dict[str, MeterConfig], catalogue: SpecCatalogue) -> dict[str, MeterConfig]:
    now = state.assigned(catalogue)
    pins = {}
    for key, config in given.items():
        if state.meters and key not in now:
            raise ContractError(
                f"{key} is no meter of {state.name}", field="meters", fix=f"known are: {', '.join(now) or 'none'}"
            )
        if config.spec is None or config == now.get(key):
            continue
        if config.spec not in catalogue.specs:
            raise ContractError(
                f"{config.spec} is no published spec", field=f"meters.{key}.spec", fix="see /api/v1/specs"
            )
        if config.spec in catalogue.deprecated | catalogue.withdrawn:
            raise ContractError(
                f"{config.spec} is {'withdrawn' if config.spec in catalogue.withdrawn else 'deprecated'}",
                field=f"meters.{key}.spec",
                fix="name one that is published, see /api/v1/specs",
            )
        pins[key] = config
    return pins if state.meters else {}
