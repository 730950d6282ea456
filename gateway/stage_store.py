"""Staged changes of parameters in the store, and what is seen of their devices."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.database import Connection
from gateway.layering import read_layer
from gateway.scopes import Scope
from gateway.sql import load
from gateway.stage_plan import READS_WITHIN_S, Candidate, Member, Sight, Stage, StageState

TROUBLE: Final = ("config_reverted",)
"""Events by which a device says that it gave a configuration up."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a staged change is begun with."""

    scope: str
    base: int
    document: Mapping[str, Any]
    changes: tuple[str, ...]
    steps: tuple[str, ...]
    settle_s: float
    timeout_s: float
    max_failed: float
    author: str
    reason: str | None


async def add_stage(connection: Connection, draft: Draft) -> Stage:
    """Enter a staged change in its first step, without devices."""
    row = await connection.fetchrow(
        load("add_stage"),
        draft.scope,
        draft.base,
        json.dumps(draft.document),
        list(draft.changes),
        list(draft.steps),
        draft.settle_s,
        draft.timeout_s,
        draft.max_failed,
        draft.author,
        draft.reason,
    )
    return _stage(row)


async def find_stage(connection: Connection, number: int) -> Stage | None:
    """One staged change."""
    row = await connection.fetchrow(load("stage"), number)
    return None if row is None else _stage(row)


async def running_stages(connection: Connection) -> list[int]:
    """The staged changes that go on by themselves."""
    return [row["id"] for row in await connection.fetch(load("running_stages"))]


async def set_stage(
    connection: Connection,
    number: int,
    state: StageState,
    *,
    step: int,
    why: str | None = None,
    result: int | None = None,
    restart: bool = False,
) -> None:
    """Put a staged change into a state; `restart` begins its step's time anew."""
    await connection.execute(load("set_stage"), number, state, step, why, result, restart)


async def candidates(connection: Connection, scope: Scope) -> list[Candidate]:
    """The devices of a scope that may be chosen."""
    ids = await scope.device_ids(connection)
    rows = await connection.fetch(load("stage_candidates"), ids)
    return [Candidate(row["device_id"], json.loads(row["labels"]), row["online"]) for row in rows]


async def give(connection: Connection, stage: Stage, device_ids: Sequence[int]) -> None:
    """Enter devices as having the change from now on, and whether readings of them come."""
    reading = await newest_readings(connection, device_ids, READS_WITHIN_S)
    reads = [device_id in reading for device_id in device_ids]
    await connection.execute(load("give_stage"), stage.id, list(device_ids), reads, stage.step)


async def note_versions(connection: Connection, stage: Stage, changed: Collection[str]) -> None:
    """Note the desired version of those whom the step in hand changed; the others are unchanged."""
    await connection.execute(load("note_stage_versions"), stage.id, stage.step, list(changed))


async def look(connection: Connection, stage: Stage) -> list[tuple[Member, Sight]]:
    """All devices that have the change, with what is seen of each."""
    rows = await connection.fetch(load("stage_sights"), stage.id, list(TROUBLE))
    waiting = [row for row in rows if row["reads"] and row["state"] in ("pending", "applied", "unreachable")]
    since = min((row["given_at"] for row in waiting), default=None)
    readings = await newest_readings(connection, [row["device_id"] for row in waiting], None, since)
    return [(_member(row), _sight(row, readings)) for row in rows]


async def members(connection: Connection, stage: Stage) -> list[Member]:
    """All devices that have the change."""
    return [_member(row) for row in await connection.fetch(load("stage_sights"), stage.id, list(TROUBLE))]


async def save_members(connection: Connection, stage: Stage, changed: Sequence[Member]) -> None:
    """Keep how devices take the change."""
    await connection.executemany(
        load("set_stage_device"), [(stage.id, one.id, one.state, one.why, one.applied_at) for one in changed]
    )


async def retry_members(connection: Connection, stage: Stage) -> None:
    """Give devices that failed or could not be reached another chance."""
    await connection.execute(load("retry_stage_devices"), stage.id)


async def newest_readings(
    connection: Connection, device_ids: Collection[int], within_s: float | None, since: datetime | None = None
) -> dict[int, datetime]:
    """When the newest readings of devices came, of those whose came since then or within so many seconds."""
    if not device_ids or (within_s is None and since is None):
        return {}
    rows = await connection.fetch(load("newest_readings"), list(device_ids), within_s, since)
    return {row["device_id"]: row["received_at"] for row in rows}


def _stage(row: Any) -> Stage:
    return Stage(
        id=row["id"],
        scope=row["scope"],
        base=row["base"],
        layer=read_layer(row["document"]),
        changes=tuple(row["changes"]),
        steps=tuple(row["steps"]),
        step=row["step"],
        settle_s=row["settle_s"],
        timeout_s=row["timeout_s"],
        max_failed=row["max_failed"],
        state=row["state"],
        why=row["why"],
        author=row["author"],
        reason=row["reason"],
        step_at=row["step_at"],
    )


def _member(row: Any) -> Member:
    return Member(
        id=row["device_id"],
        name=row["name"],
        step=row["step"],
        version=row["version"],
        reads=row["reads"],
        state=row["state"],
        why=row["why"],
        applied_at=row["applied_at"],
    )


def _sight(row: Any, readings: Mapping[int, datetime]) -> Sight:
    reasons = json.loads(row["reasons"]) if row["reasons"] else []
    return Sight(
        online=row["online"],
        reported_version=row["reported_version"] or 0,
        reported_state=row["reported_state"],
        reported_at=row["reported_at"],
        probation=row["probation"],
        reasons=tuple(f"{one.get('field')}: {one.get('reason')}" for one in reasons),
        reading_at=readings.get(row["device_id"]),
        trouble=row["trouble"],
        interval_s=float(row["interval_s"] or 0),
        held_back=tuple(row["held_back"] or ()) if row["in_force"] == row["reported_version"] else (),
    )
