"""Watches canaries and withdraws those that are worse than what they replace."""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import asyncpg
import structlog

from gateway.database import Connection, until_stored
from gateway.metrics import Metrics
from gateway.problem import ApiError
from gateway.rollout import Rollouts
from gateway.rollout_figures import Judgement, judge
from gateway.rollout_models import Limits
from gateway.rollout_watch import Key, Watch
from gateway.spec_models import LifeQuery
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
SYSTEM: Final = "system"
MAX_REASON: Final = 1000
REST: Final = 4.0
"""Pauses are so many times as long as the judging before them."""


class RolloutJudge:
    """Judges each canary every `judge_s` from what the store holds, so that a restart goes on where it was.

    Of several gateways one judges at a time; a withdrawal names the canary's beginning, and so is done once.
    """

    def __init__(self, pool: Pool, rollouts: Rollouts, limits: Limits, metrics: Metrics, judge_s: float) -> None:
        self._pool = pool
        self._rollouts = rollouts
        self._limits = limits
        self._metrics = metrics
        self._judge_s = judge_s
        self._watch = Watch()

    async def run(self) -> None:
        """Judge for ever, on a large ledger less often, so that it takes no more than a fifth of the time."""
        took_s = 0.0
        while True:
            await asyncio.sleep(max(self._judge_s, REST * took_s))
            began_s = time.monotonic()
            try:
                await until_stored(self.once, "gateway.judge", self._metrics)
            except asyncpg.PostgresError:
                # something in the store that no query foresaw must not end the gateway
                self._metrics.judging_failures.inc()
                log.exception("judging_failed")
            took_s = time.monotonic() - began_s

    async def once(self) -> None:
        """Judge all canaries once, and withdraw what must be."""
        with self._metrics.judging.time():
            found = await self._judged()
        for row, judgement in found:
            who = LifeQuery(author=SYSTEM, reason="; ".join(judgement.reasons)[:MAX_REASON])
            withdraw = partial(self._rollouts.withdraw, row["name"], row["version"], who)
            try:
                await withdraw(figures=judgement.figures, started_at=row["started_at"])
            except ApiError as error:
                log.exception("spec_not_withdrawn", spec=f"{row['name']}@{row['version']}", reason=error.detail)

    async def _judged(self) -> list[tuple[Any, Judgement]]:
        """The canaries that must be withdrawn; the figures of all are stored."""
        worse = []
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(load("take_judge_lock")):
                return []
            rows = await connection.fetch(load("canaries"))
            self._metrics.canaries.set(len(rows))
            needed: set[Key] = set()
            for row in rows:
                judgement, spans = await self._judge(connection, row)
                needed |= spans
                figures = json.dumps(judgement.figures)
                await connection.execute(
                    load("set_rollout_figures"), row["name"], row["version"], row["started_at"], figures
                )
                if judgement.reasons:
                    worse.append((row, judgement))
        self._watch.keep_only(needed)
        return worse

    async def _judge(self, connection: Connection, row: Any) -> tuple[Judgement, set[Key]]:
        limits = merged(self._limits, json.loads(row["limits"]))
        ref = f"{row['name']}@{row['version']}"
        meters = await connection.fetch(load("canary_meters"), row["name"], row["version"])
        if not meters:
            return judge(limits, [], []), set()
        # by the store's clock, as are the times of all that it is compared with
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        given, spans = await self._watch.given(connection, ref, meters, limits, now)
        first = min(meter["given_at"] for meter in meters)
        befores = {meter["before"] for meter in meters if meter["before"] is not None}
        rest, more = await self._watch.rest(connection, befores, first, limits, now)
        return judge(limits, given, rest), spans | more


def merged(limits: Limits, own: Mapping[str, float]) -> Limits:
    """The settings' limits with those of one rollout; what a newer Wattline may have added is passed over."""
    return Limits(**{**limits.model_dump(), **{name: own[name] for name in Limits.model_fields if name in own}})
