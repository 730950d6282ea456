"""Routes about spec versions for a part of the fleet."""

import json
from typing import Any

from gateway.api_route import Answer, Call, Route
from gateway.problem import not_found
from gateway.rollout import Rollouts
from gateway.rollout_models import (
    Limits,
    RolloutDetail,
    RolloutPage,
    RolloutQuery,
    RolloutsQuery,
    RolloutStep,
    RolloutSummary,
    WithdrawQuery,
)
from gateway.spec_answer import SpecAnswers
from gateway.spec_models import LifeQuery, SpecChange
from gateway.sql import load
from store.pool import Pool

FIELDS = {"name": "The spec's name.", "version": "Its version, from 1."}
ONE = "/specs/{name}/{version}"
MOST = 1000
MAX_NAMED = 100


class RolloutRoutes:
    """Canaries: who has one, how it fares, and its steps."""

    def __init__(self, pool: Pool, rollouts: Rollouts, limits: Limits, answers: SpecAnswers) -> None:
        self._pool = pool
        self._rollouts = rollouts
        self._limits = limits
        self._answers = answers

    def routes(self) -> list[Route]:
        """The routes served here."""
        listed = "Spec versions that are or were for a part of the fleet, and how they fare."
        given = "Give a canary to another audience, or a withdrawn version to an audience again."
        ended = "Withdraw a version; its meters get what they had before at once."
        return [
            Route("GET", "/rollouts", "listRollouts", listed, self.page, RolloutPage, RolloutsQuery),
            Route("GET", ONE + "/rollout", "getRollout", "A rollout with its steps.", self.detail, RolloutDetail,
                  path_fields=FIELDS),
            Route("POST", ONE + ":rollout", "giveSpec", given, self.give, SpecChange, RolloutQuery, path_fields=FIELDS),
            Route("POST", ONE + ":release", "releaseSpec", "Put a canary in the running for all meters.", self.release,
                  SpecChange, LifeQuery, path_fields=FIELDS),
            Route("POST", ONE + ":withdraw", "withdrawSpec", ended, self.withdraw, SpecChange, WithdrawQuery,
                  path_fields=FIELDS),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /rollouts."""
        query: RolloutsQuery = call.query
        rows = await self._pool.fetch(load("list_rollouts"), query.state, None, None, MOST)
        return Answer(RolloutPage(items=tuple(RolloutSummary(**_summary(row)) for row in rows)))

    async def detail(self, call: Call) -> Answer:
        """GET /specs/{name}/{version}/rollout."""
        name, version = await self._named(call)
        row = await self._pool.fetchrow(load("list_rollouts"), None, name, version, 1)
        if row is None:
            raise not_found("rollout", f"{name}@{version}")
        steps = await self._pool.fetch(load("rollout_steps"), name, version)
        devices = await self._pool.fetch(load("rollout_devices"), name, version, MAX_NAMED)
        return Answer(
            RolloutDetail(
                **_summary(row),
                limits={**self._limits.model_dump(), **json.loads(row["limits"])},
                device_names=tuple(device["name"] for device in devices),
                steps=tuple(RolloutStep(**{**step, "figures": json.loads(step["figures"])}) for step in steps),
            )
        )

    async def give(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:rollout."""
        return await self._answers.changed(await self._rollouts.give(*await self._named(call), call.query))

    async def release(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:release."""
        return await self._answers.changed(await self._rollouts.release(*await self._named(call), call.query))

    async def withdraw(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:withdraw."""
        return await self._answers.changed(await self._rollouts.withdraw(*await self._named(call), call.query))

    async def _named(self, call: Call) -> tuple[str, int]:
        """The spec of the path, which is there. Raises ApiError 404."""
        row = await self._answers.row(call.path["name"], call.path["version"])
        return row["spec"], row["version"]


def _summary(row: Any) -> dict[str, Any]:
    values = {name: row[name] for name in RolloutSummary.model_fields if name != "figures"}
    return {**values, "figures": json.loads(row["figures"])}
