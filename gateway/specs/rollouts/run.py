"""A spec version for a part of the fleet first: given to an audience, released to all, or withdrawn."""

import asyncio
from datetime import datetime
from typing import Any

import structlog

from gateway.desired.change import Change, Configuration
from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, invalid, unknown
from gateway.fleet.audience import parse_audience
from gateway.metrics import Metrics
from gateway.models import ReasonQuery
from gateway.specs.change import match_anew
from gateway.specs.check import tied
from gateway.specs.life import Changed
from gateway.specs.rollouts.models import RolloutQuery
from gateway.specs.rollouts.steps import EVENTS, enter, require_known
from gateway.specs.rollouts.store import Rollout, recall_before, rollout_row
from gateway.specs.store import is_spec_draft
from gateway.store import Severity

log = structlog.get_logger()


class Rollouts:
    """Each step is one transaction under the configuration's lock, with its event; doing it again changes nothing."""

    def __init__(self, configuration: Configuration, metrics: Metrics) -> None:
        self._configuration = configuration
        self._metrics = metrics

    async def give(self, name: str, version: int, query: RolloutQuery) -> Changed:
        """Change the audience or the limits of a canary, or give a withdrawn version to an audience again.

        Raises Refusal: unknown, invalid, and conflict where it is for all or deprecated.
        """
        audience = None if query.to is None else parse_audience(query.to, field="to")
        async with self._configuration.changing() as change:
            rollout = await _find(change, name, version)
            if rollout.deprecated or rollout.state in (None, "released"):
                what = "deprecated" if rollout.deprecated else "for all"
                fault = Fault("version", f"{name}@{version} is {what}", "publish the change as a new version")
                raise conflict(f"{name}@{version} is {what} and can't be given to a part of the fleet", [fault])
            if audience is not None:
                await require_known(change.connection, audience, "to")
            elif not query.limits():
                raise invalid("to", "it says neither who nor which limits", "say to=10%")
            given = str(audience) if audience else str(rollout.audience)
            limits = {**(rollout.limits or {}), **query.limits()}
            if (rollout.state, rollout.audience, rollout.limits) == ("canary", given, limits):
                return Changed(name, version, changed=False)
            await _require_no_tie(change, rollout)
            return await self._step(change, rollout, "canary", given, limits, query)

    async def release(self, name: str, version: int, who: ReasonQuery) -> Changed:
        """Put a version in the running for all meters. Raises Refusal: unknown, and conflict for a draft."""
        async with self._configuration.changing() as change:
            rollout = await _find(change, name, version)
            if rollout.state in (None, "released"):
                return Changed(name, version, changed=False)
            await _require_no_tie(change, rollout)
            return await self._step(change, rollout, "released", rollout.audience or "", rollout.limits or {}, who)

    async def withdraw(
        self,
        name: str,
        version: int,
        who: ReasonQuery,
        *,
        figures: dict[str, Any] | None = None,
        started_at: datetime | None = None,
    ) -> Changed:
        """Let a version read nobody; its meters get what they had before.

        With `started_at` only the canary that began then is withdrawn: a person may have decided meanwhile. Raises
        Refusal: unknown, and conflict for a draft.
        """
        async with self._configuration.changing() as change:
            rollout = await _find(change, name, version)
            if rollout.state == "withdrawn":
                return Changed(name, version, changed=False)
            if started_at is not None and (rollout.state, rollout.started_at) != ("canary", started_at):
                return Changed(name, version, changed=False)
            done = await self._step(
                change, rollout, "withdrawn", rollout.audience or "", rollout.limits or {}, who, figures
            )
        self._metrics.withdrawn.labels("system" if figures is not None else "person").inc()
        log.error("spec_withdrawn", spec=f"{name}@{version}", author=who.author, reason=who.reason, figures=figures,
                  devices_changed=len(done.devices))  # fmt: skip
        return done

    async def _step(
        self,
        change: Change,
        rollout: Rollout,
        state: str,
        audience: str,
        limits: dict[str, float],
        who: ReasonQuery,
        figures: dict[str, Any] | None = None,
    ) -> Changed:
        name, version = rollout.name, rollout.version
        await enter(change.connection, name, version, state, audience, limits, who, figures)
        if state == "withdrawn" and rollout.state != "canary":
            # of a canary it is known what its meters had before; else the history of their configurations says it
            await recall_before(change.connection, name, version, rollout.ref)
        devices = await match_anew(change, rollout.protocol)
        detail: dict[str, Any] = {"spec": rollout.ref, "audience": audience, "devices_changed": len(devices)}
        detail |= {"author": who.author, "reason": who.reason}
        if figures is not None:
            detail["figures"] = figures
        severity: Severity = "info"
        if state == "withdrawn":
            severity = "warning" if figures is None else "error"
        await record_event(change.connection, EVENTS[state], severity=severity, detail=detail)
        return Changed(name, version, changed=True, devices=devices)


async def _require_no_tie(change: Change, rollout: Rollout) -> None:
    """While a version was withdrawn, another that fits as well may have been published. Raises Refusal: invalid."""
    published = change.catalogue.specs.get(rollout.ref)
    if rollout.state != "withdrawn" or published is None or published.spec is None:
        return
    verdict = await asyncio.to_thread(tied, published.spec, change.catalogue.contenders())
    if verdict.ties:
        raise Refusal(Kind.INVALID, f"{rollout.ref} can't be given again", verdict.faults())


async def _find(change: Change, name: str, version: int) -> Rollout:
    rollout = await rollout_row(change.connection, name, version)
    if rollout is not None:
        return rollout
    if await is_spec_draft(change.connection, name, version):
        fault = Fault("version", f"{name}@{version} is a draft", f"wattline spec publish {name}@{version} --canary ...")
        raise conflict(f"{name}@{version} is a draft: nobody can use it", [fault])
    raise unknown("spec", f"{name}@{version}")
