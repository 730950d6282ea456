"""A spec version for a part of the fleet first: given to an audience, released to all, or withdrawn."""

import json
from datetime import datetime
from typing import Any

import structlog

from broker.errors import ContractError
from gateway.events import record_event
from gateway.layers import Problem
from gateway.metrics import Metrics
from gateway.problem import ApiError, not_found, refused
from gateway.publisher import Publisher
from gateway.rollout_models import RolloutQuery
from gateway.rollout_store import EVENTS, audience_of, enter, require_known
from gateway.spec_change import Change, changing
from gateway.spec_life import Changed
from gateway.spec_models import LifeQuery
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()


class Rollouts:
    """Each step is one transaction under the configuration's lock, with its event; doing it again changes nothing."""

    def __init__(self, pool: Pool, publisher: Publisher, metrics: Metrics) -> None:
        self._pool = pool
        self._publisher = publisher
        self._metrics = metrics

    async def give(self, name: str, version: int, query: RolloutQuery) -> Changed:
        """Change the audience or the limits of a canary, or give a withdrawn version to an audience again.

        Raises ApiError 404, 422, and 409 where it is for all or deprecated.
        """
        audience = None if query.to is None else audience_of(query.to, "to")
        async with changing(self._pool, self._publisher) as change:
            row = await _row(change, name, version)
            if row["deprecated"] or row["state"] in (None, "released"):
                what = "deprecated" if row["deprecated"] else "for all"
                fault = Problem("version", f"{name}@{version} is {what}", "publish the change as a new version")
                raise ApiError(409, f"{name}@{version} is {what} and can't be given to a part of the fleet", [fault])
            if audience is not None:
                await require_known(change.connection, audience, "to")
            elif not query.limits():
                raise refused(ContractError("it says neither who nor which limits", field="to", fix="say to=10%"))
            given = str(audience) if audience else str(row["audience"])
            limits = {**json.loads(row["limits"]), **query.limits()}
            if (row["state"], row["audience"], json.loads(row["limits"])) == ("canary", given, limits):
                return Changed(name, version, changed=False)
            return await self._step(change, row, "canary", given, limits, query)

    async def release(self, name: str, version: int, who: LifeQuery) -> Changed:
        """Put a version in the running for all meters. Raises ApiError 404, and 409 for a draft."""
        async with changing(self._pool, self._publisher) as change:
            row = await _row(change, name, version)
            if row["state"] in (None, "released"):
                return Changed(name, version, changed=False)
            limits = json.loads(row["limits"])
            return await self._step(change, row, "released", row["audience"], limits, who)

    async def withdraw(
        self,
        name: str,
        version: int,
        who: LifeQuery,
        *,
        figures: dict[str, Any] | None = None,
        started_at: datetime | None = None,
    ) -> Changed:
        """Let a version read nobody; its meters get what they had before. Raises ApiError 404, and 409 for a draft.

        With `started_at` only the canary that began then is withdrawn: a person may have decided meanwhile.
        """
        async with changing(self._pool, self._publisher) as change:
            row = await _row(change, name, version)
            if row["state"] == "withdrawn":
                return Changed(name, version, changed=False)
            if started_at is not None and (row["state"], row["started_at"]) != ("canary", started_at):
                return Changed(name, version, changed=False)
            limits = json.loads(row["limits"] or "{}")
            done = await self._step(change, row, "withdrawn", row["audience"] or "", limits, who, figures)
        self._metrics.withdrawn.labels("system" if figures is not None else "person").inc()
        log.error("spec_withdrawn", spec=f"{name}@{version}", author=who.author, reason=who.reason, figures=figures,
                  devices_changed=len(done.devices))  # fmt: skip
        return done

    async def _step(
        self,
        change: Change,
        row: Any,
        state: str,
        audience: str,
        limits: dict[str, float],
        who: LifeQuery,
        figures: dict[str, Any] | None = None,
    ) -> Changed:
        name, version = row["name"], row["version"]
        await enter(change.connection, name, version, state, audience, limits, who, figures)
        if state == "withdrawn" and row["state"] != "canary":
            # of a canary it is known what its meters had before; else the history of their configurations says it
            await change.connection.execute(load("recall_before"), name, version, f"{name}@{version}")
        devices = await change.settle(row["protocol"])
        detail: dict[str, Any] = {"spec": f"{name}@{version}", "audience": audience, "devices_changed": len(devices)}
        detail |= {"author": who.author, "reason": who.reason}
        if figures is not None:
            detail["figures"] = figures
        severity: Any = {"withdrawn": "error" if figures is not None else "warning"}.get(state, "info")
        await record_event(change.connection, EVENTS[state], severity=severity, detail=detail)
        return Changed(name, version, changed=True, devices=devices)


async def _row(change: Change, name: str, version: int) -> Any:
    row = await change.connection.fetchrow(load("rollout_row"), name, version)
    if row is not None:
        return row
    if await change.connection.fetchval("SELECT true FROM spec_draft WHERE name = $1 AND version = $2", name, version):
        fault = Problem(
            "version", f"{name}@{version} is a draft", f"wattline spec publish {name}@{version} --canary ..."
        )
        raise ApiError(409, f"{name}@{version} is a draft: nobody can use it", [fault])
    raise not_found("spec", f"{name}@{version}")
