"""Staged changes of parameters at work: begun, judged, taken a step further, paused, or rolled back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import structlog

from gateway.database import until_stored
from gateway.desired.change import Change, Configuration
from gateway.desired.layering import add_layer, latest_layer
from gateway.desired.layers import differences
from gateway.events import record_event
from gateway.faults import Refusal, invalid
from gateway.metrics import Metrics
from gateway.parameters.edits import Edit, edited
from gateway.parameters.history import newest_version
from gateway.parameters.scopes import Scope, check_layer, record_change, require_unstaged, scope_of
from gateway.parameters.stages.judging import judged, observed
from gateway.parameters.stages.plan import Member, Stage, Terms, Verb, Verdict, is_due, picked
from gateway.parameters.stages.store import (
    add_stage,
    candidates,
    enter_members,
    find_stage,
    members,
    note_reissued,
    note_versions,
    observe,
    require_stage,
    retry_members,
    running_stages,
    save,
    set_stage,
)
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class _Observed:
    """A running staged change, what is new of its devices, and what is to be done."""

    stage: Stage
    changed: Sequence[Member]
    verdict: Verdict


class Stages:
    """Takes staged changes through their steps; all that it knows is in the store, so that any gateway can go on.

    Each step is one transaction under the configuration's lock that reads the state again: of two gateways one
    does it.
    """

    def __init__(self, pool: Pool, configuration: Configuration, metrics: Metrics, tick_s: float) -> None:
        self._pool = pool
        self._configuration = configuration
        self._metrics = metrics
        self._tick_s = tick_s

    async def run(self) -> None:
        """Judge the running changes for ever."""
        while True:
            await asyncio.sleep(self._tick_s)
            for number in await until_stored(self._running, "gateway.stages", self._metrics):
                await self._judge(number)

    async def begin(
        self, change: Change, scope: Scope, edit: Edit, terms: Terms, *, author: str, reason: str | None
    ) -> Stage:
        """Enter a staged change and give it to its first step's devices.

        Raises Refusal: conflict while another of the scope is open; invalid where the scope says this already, where
        the whole would not be valid, where the scope has no device, or where the first step chooses none.
        """
        connection = change.connection
        await require_unstaged(connection, scope)
        before = await latest_layer(connection, scope.key)
        layer = await edited(change, scope, edit)
        if layer == before:
            raise invalid("parameters", f"{scope.key} says this already", "nothing is left to change")
        await check_layer(connection, scope, before, layer)
        changes = [one.field for one in differences(before, layer)]
        stage = await add_stage(
            connection, scope.key, await newest_version(connection, scope.key), layer.document(), changes, terms.steps,
            terms.settle_s, terms.timeout_s, terms.max_failed, author, reason,
        )  # fmt: skip
        await self._record(connection, "stage_started", stage, changes=changes, reason=reason)
        await self._take_step(change, stage, scope)
        if not await members(connection, stage):
            raise invalid("steps.0", f"{stage.steps[0]} chooses none of the devices of {scope.key}", "choose others")
        return stage

    async def act(self, change: Change, number: int, verb: Verb, *, author: str, reason: str | None) -> None:
        """Do what a person asks for with a staged change; nothing where the same was done.

        Raises Refusal: unknown, or conflict where its state does not allow it.
        """
        stage = await require_stage(change.connection, number)
        if is_due(stage, verb):
            acts = {"pause": self._pause, "resume": self._resume, "abort": self._abort}
            await acts[verb](change, stage, author=author, reason=reason)

    async def tick(self, number: int) -> bool:
        """Judge one change and do what follows; False where there was nothing to do."""
        async with self._pool.acquire() as connection:
            now = await self._observe(connection, number)
        if now is None or (not now.changed and now.verdict.act == "wait"):
            return False
        async with self._configuration.changing() as change:
            now = await self._observe(change.connection, number)
            if now is not None:
                await save(change.connection, now.stage, now.changed)
                await self._record_failures(change.connection, now)
                await self._act(change, now.stage, now.verdict)
        return True

    async def _pause(self, change: Change, stage: Stage, *, author: str, reason: str | None) -> None:
        """Stop judging; devices keep what they have."""
        await set_stage(change.connection, stage.id, "paused", step=stage.step, why=reason or f"paused by {author}")
        await self._record(change.connection, "stage_paused", stage, by=author, why=reason)

    async def _resume(self, change: Change, stage: Stage, *, author: str, reason: str | None) -> None:
        """Go on: the time of the step begins anew, and who failed or was not there gets another chance."""
        failed = [one.id for one in await members(change.connection, stage) if one.state == "failed" and one.software]
        # an updater tries a version once
        made = await change.reissue_software(failed, author=author)
        await note_reissued(
            change.connection, stage.id, [one.device_id for one in made], [one.version for one in made]
        )  # fmt: skip
        await retry_members(change.connection, stage.id)
        await set_stage(change.connection, stage.id, "running", step=stage.step, restart=True)
        await self._record(change.connection, "stage_resumed", stage, by=author, why=reason)

    async def _abort(self, change: Change, stage: Stage, *, author: str, reason: str | None) -> None:
        """Take the staged change back from all devices that have it."""
        await self._end(change, stage, "aborted", reason or f"aborted by {author}", by=author)

    async def _running(self) -> list[int]:
        return await running_stages(self._pool)

    async def _judge(self, number: int) -> None:
        try:
            await until_stored(lambda: self.tick(number), "gateway.stages", self._metrics)
        except (asyncpg.PostgresError, Refusal):
            # one change that the store refuses must not stop the others, nor the gateway
            self._metrics.stages.labels("error").inc()
            log.exception("stage_not_judged", stage=number)

    async def _observe(self, connection: Connection, number: int) -> _Observed | None:
        stage = await find_stage(connection, number)
        if stage is None or stage.state != "running":
            return None
        now = datetime.now(UTC)
        found = [
            (member, observed(stage, member, observation, now))
            for member, observation in await observe(connection, stage)
        ]
        changed = [after for before, after in found if after != before]
        return _Observed(stage, changed, judged(stage, (after for _, after in found), now))

    async def _act(self, change: Change, stage: Stage, verdict: Verdict) -> None:
        connection = change.connection
        if verdict.act == "roll_back":
            await self._end(change, stage, "rolled_back", verdict.why)
        elif verdict.act == "pause":
            await set_stage(connection, stage.id, "paused", step=stage.step, why=verdict.why)
            await self._record(connection, "stage_paused", stage, "warning", why=verdict.why)
        elif verdict.act != "wait":
            await self._go_on(change, stage)

    async def _go_on(self, change: Change, stage: Stage) -> None:
        """Take the next step, or finish; an end where the scope is not any more what the staged change was made for."""
        scope = await scope_of(change.connection, stage.scope)
        if scope is None or await newest_version(change.connection, stage.scope) != stage.base:
            why = f"{stage.scope} changed by another way" if scope else f"{stage.scope} is gone"
            await self._end(change, stage, "rolled_back", why)
        elif stage.step + 1 == len(stage.steps):
            await self._finish(change, stage, scope)
        else:
            await set_stage(change.connection, stage.id, "running", step=stage.step + 1)
            await self._take_step(change, replace(stage, step=stage.step + 1), scope)

    async def _take_step(self, change: Change, stage: Stage, scope: Scope) -> None:
        """Give the staged change to the devices of the step in hand."""
        connection = change.connection
        have = {member.id for member in await members(connection, stage)}
        ids = picked(stage, await candidates(connection, scope), have)
        await enter_members(connection, stage, ids)
        changed = await change.rebuild(ids, author=stage.author)
        given = {one.device_id: one.version for one in change.software if one.after is not None}
        configured = sorted(change.configured)
        await note_versions(connection, stage.id, stage.step, configured, list(given), list(given.values()))
        await self._record(connection, "stage_step", stage, devices=len(ids), changed=len(changed))

    async def _finish(self, change: Change, stage: Stage, scope: Scope) -> None:
        """All went well: the staged change becomes the scope's next version."""
        connection = change.connection
        before = await latest_layer(connection, stage.scope)
        version = await add_layer(connection, stage.scope, stage.layer, author=stage.author, reason=stage.reason)
        await set_stage(connection, stage.id, "done", step=stage.step, result=version)
        await record_change(connection, scope, version, before, stage.layer, author=stage.author, reason=stage.reason)
        await self._record(connection, "stage_done", stage, version=version)
        # who came to the scope meanwhile gets it now
        await change.rebuild(await scope.device_ids(connection), author=stage.author)

    async def _end(
        self, change: Change, stage: Stage, state: Literal["rolled_back", "aborted"], why: str, **facts: Any
    ) -> None:
        """Take the staged change back."""
        await set_stage(change.connection, stage.id, state, step=stage.step, why=why)
        ids = [member.id for member in await members(change.connection, stage)]
        changed = await change.rebuild(ids, author=stage.author)
        severity: Severity = "error" if state == "rolled_back" else "warning"
        await self._record(change.connection, f"stage_{state}", stage, severity, why=why, devices=len(changed), **facts)

    async def _record_failures(self, connection: Connection, now: _Observed) -> None:
        for member in now.changed:
            if member.state in ("failed", "unreachable"):
                detail = {"stage": now.stage.id, "scope": now.stage.scope, "version": member.version, "why": member.why}
                detail |= {} if member.software is None else {"software": member.software}
                event = f"stage_device_{member.state}"
                await record_event(connection, event, device=member.name, severity="warning", detail=detail)

    async def _record(
        self, connection: Connection, event: str, stage: Stage, severity: Severity = "info", **facts: Any
    ) -> None:
        detail = {"stage": stage.id, "scope": stage.scope, "author": stage.author, "step": stage.step + 1,
                  "steps": len(stage.steps), "share": stage.steps[stage.step], **facts}  # fmt: skip
        await record_event(connection, event, severity=severity, detail=detail)
        self._metrics.stages.labels(event.removeprefix("stage_")).inc()
        log.log(30 if severity != "info" else 20, event, **detail)
