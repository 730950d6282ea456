"""Routes about schedules: jobs that are asked for by the clock."""

import re
from dataclasses import asdict
from typing import Annotated, Final

from pydantic import Field, JsonValue, StringConstraints

from broker.contract.messages import At
from gateway.api.route import Answer, Call, Route, read_body
from gateway.faults import invalid
from gateway.jobs.scheduling import found, remove, save
from gateway.models import ApiModel, ReasonQuery
from store.pool import Pool
from store.schedules.store import Schedule, list_schedules

PATH = "/job-schedules/{schedule}"
MEDIA = ("application/json",)
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
Text = Annotated[str, StringConstraints(min_length=1, max_length=120)]


class ScheduleBody(ApiModel):
    """Which jobs, and when."""

    kind: str = Field(min_length=1, max_length=32, description="Of the jobs: GET /api/v1/job-kinds has them.")
    arguments: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="What each is asked for; $hour, $day, $month, $year, or as $day-7, are times before it is due.",
    )
    cron: Text = Field(description="Minute hour day-of-month month day-of-week: `15 3 * * *` is 03:15 each day.")
    zone: Text = Field(default="UTC", description="By whose clock, as Europe/Warsaw.")
    enabled: bool = Field(default=True, description="Whether it is due at all.")


class ScheduleView(ApiModel):
    """A schedule, when it is due next, and what became of the last time."""

    schedule: str
    kind: str
    arguments: dict[str, JsonValue]
    cron: str
    zone: str
    enabled: bool
    author: str
    reason: str | None
    changed_at: At
    next_at: At = Field(description="Times that pass while no worker runs are one job.")
    last_at: At | None = Field(description="When it was due last.")
    last_job: int | None
    error: str | None = Field(description="Why the last time gave no job.")


class ScheduleList(ApiModel):
    """Schedules by name."""

    items: tuple[ScheduleView, ...]


class ScheduleRoutes:
    """Schedules; whichever worker sees first that one is due asks for its job."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"schedule": "The schedule's name."}
        made = "Make or change a schedule: jobs by the clock."
        gone = "Remove a schedule; its jobs stay."
        return [
            Route("GET", "/job-schedules", "listJobSchedules", "Schedules by name.", self.all, ScheduleList),
            Route("GET", PATH, "getJobSchedule", "A schedule.", self.get, ScheduleView, path_fields=fields),
            Route("PUT", PATH, "putJobSchedule", made, self.put, ScheduleView, ReasonQuery, ScheduleBody, fields,
                  media=MEDIA),
            Route("DELETE", PATH, "deleteJobSchedule", gone, self.delete, ScheduleView, ReasonQuery, None, fields),
        ]  # fmt: skip

    async def all(self, _: Call) -> Answer:
        """GET /job-schedules."""
        return Answer(ScheduleList(items=tuple(_view(one) for one in await list_schedules(self._pool))))

    async def get(self, call: Call) -> Answer:
        """GET /job-schedules/{schedule}."""
        return Answer(_view(await found(self._pool, call.path["schedule"])))

    async def put(self, call: Call) -> Answer:
        """PUT /job-schedules/{schedule}."""
        query: ReasonQuery = call.query
        body, name = read_body(ScheduleBody, call), call.path["schedule"]
        if not NAME.fullmatch(name):
            raise invalid("schedule", f"{name[:60]!r} is no name", "small letters, digits and -, at most 48")
        async with self._pool.acquire() as connection, connection.transaction():
            saved = await save(
                connection, name, body.kind, body.arguments, cron=body.cron, zone=body.zone, enabled=body.enabled,
                author=query.author, reason=query.reason,
            )  # fmt: skip
        return Answer(_view(saved))

    async def delete(self, call: Call) -> Answer:
        """DELETE /job-schedules/{schedule}."""
        query: ReasonQuery = call.query
        async with self._pool.acquire() as connection, connection.transaction():
            gone = await remove(connection, call.path["schedule"], author=query.author, reason=query.reason)
        return Answer(_view(gone))


def _view(schedule: Schedule) -> ScheduleView:
    values = asdict(schedule)
    return ScheduleView(schedule=values.pop("name"), **values)
