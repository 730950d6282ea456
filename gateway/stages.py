"""Staged changes of parameters at work: begun, judged, taken a step further, held, or rolled back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import structlog

from gateway.database import Connection, until_stored
from gateway.desired import configuring, rebuild
from gateway.events import record_event
from gateway.history import newest_version
from gateway.layering import add_layer, latest_layer
from gateway.layers import Problem
from gateway.metrics import Metrics
from gateway.problem import ApiError
from gateway.publisher import Publisher
from gateway.scopes import Scope, scope_of, tell_change
from gateway.stage_plan import Member, Stage, Verdict, judged, picked, seen
from gateway.stage_store import (
    Draft,
    add_stage,
    candidates,
    find_stage,
    give,
    look,
    members,
    note_versions,
    retry_members,
    running_stages,
    save_members,
    set_stage,
)
from store.pool import Pool

log = structlog.get_logger()
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A staged change as it stands now, before anything is done."""

    stage: Stage
    changed: Sequence[Member]
    verdict: Verdict


class Stages:
    """Takes staged changes through their steps; all that it knows is in the store, so that any gateway can go on.

    Each step is one transaction under the configuration's lock that looks at the state again: of two gateways one
    does it.
    """

    def __init__(self, pool: Pool, publisher: Publisher, metrics: Metrics, tick_s: float) -> None:
        self._pool = pool
        self._publisher = publisher
        self._metrics = metrics
        self._tick_s = tick_s

    async def run(self) -> None:
        """Judge the running changes for ever."""
        while True:
            await asyncio.sleep(self._tick_s)
            for number in await until_stored(self._running, "gateway.stages", self._metrics):
                await self._tried(number)

    async def begin(self, connection: Connection, scope: Scope, draft: Draft) -> tuple[Stage, list[str]]:
        """Enter a change and give it to its first step's devices; the caller commits and marks those named.

        Raises ApiError 422 where the scope has no device, or the first step chooses none.
        """
        stage = await add_stage(connection, draft)
        await self._tell(connection, "stage_started", stage, changes=list(draft.changes), reason=draft.reason)
        changed = await self._give(connection, stage, scope)
        if not await members(connection, stage):
            fault = Problem("steps.0", f"{stage.steps[0]} chooses none of the devices of {scope.key}", "choose others")
            raise ApiError(422, f"{fault.field}: {fault.reason}; {fault.fix}", [fault])
        return stage, changed

    async def tick(self, number: int) -> bool:
        """Judge one change and do what follows; False where there was nothing to do."""
        async with self._pool.acquire() as connection:
            now = await self._see(connection, number)
        if now is None or (not now.changed and now.verdict.act == "wait"):
            return False
        marked: list[str] = []
        async with configuring(self._pool) as connection:
            now = await self._see(connection, number)
            if now is not None:
                await save_members(connection, now.stage, now.changed)
                await self._tell_failures(connection, now)
                marked = await self._act(connection, now.stage, now.verdict)
        self._publisher.mark(*marked)
        return True

    async def pause(self, connection: Connection, stage: Stage, *, author: str, reason: str | None) -> list[str]:
        """Stop judging; devices keep what they have."""
        await set_stage(connection, stage.id, "paused", step=stage.step, why=reason or f"paused by {author}")
        await self._tell(connection, "stage_paused", stage, by=author, why=reason)
        return []

    async def resume(self, connection: Connection, stage: Stage, *, author: str, reason: str | None) -> list[str]:
        """Go on: the time of the step begins anew, and who failed or was not there gets another chance."""
        await retry_members(connection, stage)
        await set_stage(connection, stage.id, "running", step=stage.step, restart=True)
        await self._tell(connection, "stage_resumed", stage, by=author, why=reason)
        return []

    async def abort(self, connection: Connection, stage: Stage, *, author: str, reason: str | None) -> list[str]:
        """Take the change back from all devices that have it; returns those that it changed."""
        return await self._end(connection, stage, "aborted", reason or f"aborted by {author}", by=author)

    async def _running(self) -> list[int]:
        async with self._pool.acquire() as connection:
            return await running_stages(connection)

    async def _tried(self, number: int) -> None:
        try:
            await until_stored(lambda: self.tick(number), "gateway.stages", self._metrics)
        except (asyncpg.PostgresError, ApiError):
            # one change that the store refuses must not stop the others, nor the gateway
            self._metrics.stages.labels("error").inc()
            log.exception("stage_not_judged", stage=number)

    async def _see(self, connection: Connection, number: int) -> _Seen | None:
        stage = await find_stage(connection, number)
        if stage is None or stage.state != "running":
            return None
        now = datetime.now(UTC)
        found = [(member, seen(stage, member, sight, now)) for member, sight in await look(connection, stage)]
        changed = [after for before, after in found if after != before]
        return _Seen(stage, changed, judged(stage, (after for _, after in found), now))

    async def _act(self, connection: Connection, stage: Stage, verdict: Verdict) -> list[str]:
        if verdict.act == "roll_back":
            return await self._end(connection, stage, "rolled_back", verdict.why)
        if verdict.act == "pause":
            await set_stage(connection, stage.id, "paused", step=stage.step, why=verdict.why)
            await self._tell(connection, "stage_paused", stage, "warning", why=verdict.why)
            return []
        if verdict.act == "wait":
            return []
        scope = await scope_of(connection, stage.scope)
        if scope is None or await newest_version(connection, stage.scope) != stage.base:
            why = f"{stage.scope} changed by another way" if scope else f"{stage.scope} is gone"
            return await self._end(connection, stage, "rolled_back", why)
        if stage.step + 1 == len(stage.steps):
            return await self._finish(connection, stage, scope)
        await set_stage(connection, stage.id, "running", step=stage.step + 1)
        return await self._give(connection, replace(stage, step=stage.step + 1), scope)

    async def _give(self, connection: Connection, stage: Stage, scope: Scope) -> list[str]:
        """Give the change to the devices of the step in hand; returns those that it changed."""
        have = {member.id for member in await members(connection, stage)}
        ids = picked(stage, await candidates(connection, scope), have)
        await give(connection, stage, ids)
        shelf = await self._publisher.renew(connection)
        changed = await rebuild(connection, ids, shelf, author=stage.author)
        await note_versions(connection, stage, changed)
        await self._tell(connection, "stage_step", stage, devices=len(ids), changed=len(changed))
        return changed

    async def _finish(self, connection: Connection, stage: Stage, scope: Scope) -> list[str]:
        """All went well: the change becomes the scope's next version."""
        before = await latest_layer(connection, stage.scope)
        version = await add_layer(connection, stage.scope, stage.layer, author=stage.author, reason=stage.reason)
        await set_stage(connection, stage.id, "done", step=stage.step, result=version)
        await tell_change(connection, scope, version, before, stage.layer, author=stage.author, reason=stage.reason)
        await self._tell(connection, "stage_done", stage, version=version)
        # who came to the scope meanwhile gets it now
        shelf = await self._publisher.renew(connection)
        return await rebuild(connection, await scope.device_ids(connection), shelf, author=stage.author)

    async def _end(
        self, connection: Connection, stage: Stage, state: Literal["rolled_back", "aborted"], why: str, **facts: Any
    ) -> list[str]:
        """Take the change back; returns the devices that this changed."""
        await set_stage(connection, stage.id, state, step=stage.step, why=why)
        ids = [member.id for member in await members(connection, stage)]
        shelf = await self._publisher.renew(connection)
        changed = await rebuild(connection, ids, shelf, author=stage.author)
        severity: Severity = "error" if state == "rolled_back" else "warning"
        await self._tell(connection, f"stage_{state}", stage, severity, why=why, devices=len(changed), **facts)
        return changed

    async def _tell_failures(self, connection: Connection, now: _Seen) -> None:
        for member in now.changed:
            if member.state in ("failed", "unreachable"):
                detail = {"stage": now.stage.id, "scope": now.stage.scope, "version": member.version, "why": member.why}
                event = f"stage_device_{member.state}"
                await record_event(connection, event, device=member.name, severity="warning", detail=detail)

    async def _tell(
        self, connection: Connection, event: str, stage: Stage, severity: Severity = "info", **facts: Any
    ) -> None:
        detail = {"stage": stage.id, "scope": stage.scope, "author": stage.author, "step": stage.step + 1,
                  "steps": len(stage.steps), "share": stage.steps[stage.step], **facts}  # fmt: skip
        await record_event(connection, event, severity=severity, detail=detail)
        self._metrics.stages.labels(event.removeprefix("stage_")).inc()
        log.log(30 if severity != "info" else 20, event, **detail)
