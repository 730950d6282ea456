"""Steps of rollouts, entered inside the caller's transaction."""

from typing import Any, Final

from gateway.events import record_event
from gateway.faults import Fault, conflict, invalid
from gateway.fleet.audience import Audience, parse_audience
from gateway.models import ReasonQuery
from gateway.specs.rollouts.models import PublishQuery
from gateway.specs.rollouts.store import add_rollout_step, known_devices, rollout_row, set_rollout
from store.sql import Connection

EVENTS: Final = {"canary": "spec_canary", "released": "spec_released", "withdrawn": "spec_withdrawn"}
"""The event of each step."""


async def begin(connection: Connection, name: str, version: int, query: PublishQuery, *, known: bool) -> None:
    """Make a spec that is being published a canary, where this is asked for; inside the publication's transaction.

    Raises Refusal: invalid, and conflict where it was published for another audience.
    """
    if query.canary is None:
        return
    audience = parse_audience(query.canary, field="canary")
    if known:
        rollout = await rollout_row(connection, name, version)
        state, given = (rollout.state, rollout.audience) if rollout else (None, None)
        if (state, given) != ("canary", str(audience)):
            what = {None: "for all", "canary": f"for {given}"}.get(state, state)
            fix = f"wattline spec rollout {name}@{version} --to ..." if state else "publish a new version"
            raise conflict(f"{name}@{version} is published {what}", [Fault("canary", f"it is {what}", fix)])
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
    who: ReasonQuery,
    figures: dict[str, Any] | None = None,
) -> None:
    """Make this the state of a rollout, and keep who did it and why."""
    await set_rollout(connection, name, version, state, audience, limits, who.author, who.reason)
    await add_rollout_step(connection, name, version, state, audience, who.author, who.reason, figures or {})


async def require_known(connection: Connection, audience: Audience, field: str) -> None:
    """Refuse devices by name that are not there: a slip of the pen would give the canary to nobody. Raises Refusal."""
    names = sorted(audience.devices)
    known = set(await known_devices(connection, names))
    for name in names:
        if name not in known:
            raise invalid(field, f"there is no device {name!r}", "GET /api/v1/devices lists them")
