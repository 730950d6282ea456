"""Rollouts in the store: entered with their step, inside the caller's transaction."""

import json
from typing import Any, Final

from broker.errors import ContractError
from gateway.audience import Audience, parse_audience
from gateway.database import Connection
from gateway.events import record_event
from gateway.layers import Problem
from gateway.problem import ApiError, refused
from gateway.rollout_models import PublishQuery
from gateway.spec_models import LifeQuery
from gateway.sql import load

EVENTS: Final = {"canary": "spec_canary", "released": "spec_released", "withdrawn": "spec_withdrawn"}
"""What each step is told as."""


async def begin(connection: Connection, name: str, version: int, query: PublishQuery, *, known: bool) -> None:
    """Make a spec that is being published a canary, where this is asked for; inside the publication's transaction.

    Raises ApiError 422, and 409 where it was published for another audience.
    """
    if query.canary is None:
        return
    audience = audience_of(query.canary, "canary")
    if known:
        row = await connection.fetchrow(load("rollout_row"), name, version)
        state, given = (row["state"], row["audience"]) if row else (None, None)
        if (state, given) != ("canary", str(audience)):
            what = {None: "for all", "canary": f"for {given}"}.get(state, state)
            fix = f"wattline spec rollout {name}@{version} --to ..." if state else "publish a new version"
            raise ApiError(409, f"{name}@{version} is published {what}", [Problem("canary", f"it is {what}", fix)])
        return
    await require_known(connection, audience, "canary")
    await enter(connection, name, version, "canary", str(audience), query.limits(), query)
    detail = {"spec": f"{name}@{version}", "audience": str(audience), "author": query.author, "reason": query.reason}
    await record_event(connection, EVENTS["canary"], detail=detail)


async def enter(
    connection: Connection,
    name: str,
    version: int,
    state: str,
    audience: str,
    limits: dict[str, float],
    who: LifeQuery,
    figures: dict[str, Any] | None = None,
) -> None:
    """Make this the state of a rollout, and keep who did it and why."""
    row = (name, version, state, audience, json.dumps(limits), who.author, who.reason, json.dumps(figures or {}))
    await connection.execute(load("set_rollout"), *row[:7])
    await connection.execute(load("add_rollout_step"), *row[:4], *row[5:])


def audience_of(text: str, field: str) -> Audience:
    """An audience of a request. Raises ApiError 422 that names the part."""
    try:
        return parse_audience(text, field=field)
    except ContractError as error:
        raise refused(error) from error


async def require_known(connection: Connection, audience: Audience, field: str) -> None:
    """Refuse devices by name that are not there: a slip of the pen would give the canary to nobody. Raises ApiError."""
    names = sorted(audience.devices)
    known = {row["name"] for row in await connection.fetch("SELECT name FROM device WHERE name = ANY($1)", names)}
    for name in names:
        if name not in known:
            raise refused(
                ContractError(f"there is no device {name!r}", field=field, fix="GET /api/v1/devices lists them")
            )
