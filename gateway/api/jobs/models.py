"""What the API answers about jobs, and the queries that it takes."""

from typing import Annotated

from pydantic import Field, JsonValue

from broker.contract.messages import At
from gateway.jobs.store import JobState
from gateway.models import ApiModel, Instant, PageQuery, ReasonQuery
from gateway.validation import WHOLE_NUMBER


class RedecodeQuery(ReasonQuery):
    """Which kept frames, who asks for it, and why."""

    meter: str | None = Field(
        default=None, max_length=96, description="This meter's, whichever spec it has; else of all that have this spec."
    )
    since: Instant | None = Field(default=None, description="Only frames that the device took from then on.")


class JobsQuery(PageQuery):
    """Which jobs."""

    state: JobState | None = Field(default=None, description="Only those in this state.")
    spec: str | None = Field(default=None, max_length=80, description="Only of this spec: a name, or name@version.")
    kind: str | None = Field(default=None, max_length=32, description="Only of this kind.")


class JobAsked(ApiModel):
    """A job to be done."""

    kind: str = Field(min_length=1, max_length=32, description="What is to be done: GET /api/v1/job-kinds has them.")
    arguments: dict[str, JsonValue] = Field(default_factory=dict, description="What for, as the kind's schema says.")
    priority: Annotated[int, Field(ge=-100, le=100, strict=True), WHOLE_NUMBER] | None = Field(
        default=None, description="Those of a higher one are taken first; without it the kind's own."
    )


class JobKindView(ApiModel):
    """A kind of jobs."""

    kind: str
    says: str = Field(description="What it does.")
    unit: str = Field(description="What its progress counts.")
    by_hand: bool = Field(description="Whether POST /api/v1/jobs takes it.")
    priority: int
    concurrent: int = Field(description="How many run at a time, over all workers; 0 for no limit.")
    attempts: int = Field(description="How often it may fail before it is dead.")
    arguments: dict[str, JsonValue] = Field(description="What it is asked for, as a JSON schema.")


class JobKinds(ApiModel):
    """All kinds of jobs by name."""

    items: tuple[JobKindView, ...]


class JobView(ApiModel):
    """Work beside the requests: how far it is, and what came of it.

    Kept frames that are decoded again (redecode), and payloads of quarantine taken again (retry), have their counts in
    `spec`, `meters` and `total_frames` to `refused`; every other kind has `arguments`, `done`, `total` and `result`.
    """

    job: int
    kind: str = Field(description="What is done, such as redecode or retry.")
    state: JobState = Field(
        description="failed: dead after its last attempt; it stays until it is retried or forgotten."
    )
    spec: str = Field(description="Empty of kinds that need none.")
    since: At | None
    automatic: bool = Field(description="Queued because meters got the spec.")
    author: str
    reason: str | None
    meters: int
    total_frames: int | None = Field(description="Null before it has begun.")
    frames: int = Field(description="Frames done, undecodable ones included.")
    undecodable: int
    readings: int = Field(description="Readings that were new to history.")
    repeated: int = Field(description="Readings that were there already.")
    refused: int = Field(description="Values put into quarantine, such as those at implausible times.")
    progress: float | None = Field(description="From 0 to 1.")
    frames_s: float | None = Field(description="Frames a second since it began.")
    created_at: At
    started_at: At | None
    changed_at: At
    finished_at: At | None
    attempts: int = Field(description="How often a worker took it up.")
    note: str | None = Field(description="What was wrong with the first frame that could not be decoded.")
    error: str | None = Field(description="Why it failed, last or for good, or who cancelled it.")
    arguments: dict[str, JsonValue] = Field(description="What it was asked for.")
    priority: int = Field(description="Those of a higher one are taken first.")
    schedule: str | None = Field(description="The schedule that asked for it.")
    not_before: At | None = Field(description="When it is tried again, after a failure.")
    failures: int = Field(description="How often it failed.")
    done: int = Field(description="How far it is, in `unit`.")
    total: int | None = Field(description="Of how many; null where nobody knows it yet.")
    unit: str = Field(description="What `done` and `total` count.")
    result: JsonValue = Field(description="What came of it, as its kind says it.")


class JobPage(ApiModel):
    """Jobs, the newest first."""

    items: tuple[JobView, ...]
    next: str | None
