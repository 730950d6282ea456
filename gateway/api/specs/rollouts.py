"""Routes about spec versions for a part of the fleet."""

from typing import Any

from gateway.api.route import Answer, Call, Route
from gateway.api.specs.answers import SpecAnswers
from gateway.faults import unknown
from gateway.models import ReasonQuery
from gateway.specs.models import SpecChange
from gateway.specs.rollouts.models import (
    Limits,
    RolloutDetail,
    RolloutPage,
    RolloutQuery,
    RolloutsQuery,
    RolloutStep,
    RolloutSummary,
    WithdrawQuery,
)
from gateway.specs.rollouts.run import Rollouts
from gateway.specs.rollouts.store import ListedRollout, list_rollouts, rollout_devices, rollout_steps
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
                  SpecChange, ReasonQuery, path_fields=FIELDS),
            Route("POST", ONE + ":withdraw", "withdrawSpec", ended, self.withdraw, SpecChange, WithdrawQuery,
                  path_fields=FIELDS),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /rollouts."""
        query: RolloutsQuery = call.query
        found = await list_rollouts(self._pool, query.state, None, None, MOST)
        return Answer(RolloutPage(items=tuple(RolloutSummary(**_summary(one)) for one in found)))

    async def detail(self, call: Call) -> Answer:
        """GET /specs/{name}/{version}/rollout."""
        name, version = await self._named(call)
        found = await list_rollouts(self._pool, None, name, version, 1)
        if not found:
            raise unknown("rollout", f"{name}@{version}")
        steps = await rollout_steps(self._pool, name, version)
        devices = await rollout_devices(self._pool, name, version, MAX_NAMED)
        return Answer(
            RolloutDetail(
                **_summary(found[0]),
                limits={**self._limits.model_dump(), **found[0].limits},
                device_names=tuple(devices),
                steps=tuple(RolloutStep.model_validate(one, from_attributes=True) for one in steps),
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
        """The spec of the path, which is there. Raises Refusal: unknown."""
        stored = await self._answers.find(call.path["name"], call.path["version"])
        return stored.spec, stored.version


def _summary(rollout: ListedRollout) -> dict[str, Any]:
    return {name: getattr(rollout, name) for name in RolloutSummary.model_fields}
