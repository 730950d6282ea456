"""Watches canaries and withdraws those that are worse than what they replace."""

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Final

import asyncpg
import structlog

from gateway.database import until_stored
from gateway.faults import Refusal
from gateway.metrics import Metrics
from gateway.models import ReasonQuery
from gateway.principals import SYSTEM
from gateway.specs.rollouts.models import Limits
from gateway.specs.rollouts.observations import Key, Observer
from gateway.specs.rollouts.run import Rollouts
from gateway.specs.rollouts.store import (
    Canary,
    canaries,
    canary_meters,
    set_rollout_figures,
    take_judge_lock,
)
from gateway.specs.rollouts.verdict import Judgement, judge
from store.pool import Pool
from store.rollups import database_now
from store.sql import Connection

log = structlog.get_logger()
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
        self._observer = Observer()

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
        for canary, judgement in found:
            who = ReasonQuery(author=SYSTEM, reason="; ".join(judgement.reasons)[:MAX_REASON])
            withdraw = partial(self._rollouts.withdraw, canary.name, canary.version, who)
            try:
                await withdraw(figures=judgement.figures, started_at=canary.started_at)
            except Refusal as error:
                log.exception("spec_not_withdrawn", spec=canary.ref, reason=error.detail)

    async def _judged(self) -> list[tuple[Canary, Judgement]]:
        """The canaries that must be withdrawn; the figures of all are stored."""
        worse = []
        async with self._pool.acquire() as connection, connection.transaction():
            if not await take_judge_lock(connection):
                return []
            found = await canaries(connection)
            self._metrics.canaries.set(len(found))
            needed: set[Key] = set()
            for canary in found:
                judgement, spans = await self._judge(connection, canary)
                needed |= spans
                await set_rollout_figures(connection, canary.name, canary.version, canary.started_at, judgement.figures)
                if judgement.reasons:
                    worse.append((canary, judgement))
        self._observer.keep_only(needed)
        return worse

    async def _judge(self, connection: Connection, canary: Canary) -> tuple[Judgement, set[Key]]:
        limits = merged(self._limits, canary.limits)
        meters = await canary_meters(connection, canary.name, canary.version)
        if not meters:
            return judge(limits, [], []), set()
        # by the store's clock, as are the times of all that it is compared with
        now = await database_now(connection)
        given, spans = await self._observer.given(connection, canary.ref, meters, limits, now)
        first = min(meter.given_at for meter in meters)
        befores = {meter.before for meter in meters if meter.before is not None}
        rest, more = await self._observer.rest(connection, befores, first, limits, now)
        return judge(limits, given, rest), spans | more


def merged(limits: Limits, own: Mapping[str, float]) -> Limits:
    """The settings' limits with those of one rollout; what a newer Wattline may have added is passed over."""
    return Limits(**{**limits.model_dump(), **{name: own[name] for name in Limits.model_fields if name in own}})
