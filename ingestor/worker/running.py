"""One attempt of a job: whether it is done, is to be tried again, or has failed for good."""

from dataclasses import dataclass
from typing import Any, Literal

import asyncpg
import structlog
from pydantic import ValidationError

from broker.errors import ContractError, PermanentError, WattlineError
from ingestor.worker.context import Context, Parts, Result, StoppedError, Work
from ingestor.worker.jobs import Job, LostJobError
from store.errors import DATABASE_ERRORS, heals
from store.kinds.kind import Kind

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `again`: it failed and may be tried again, `stopped`: the worker stops."""

    state: Literal["done", "failed", "again", "stopped"]
    error: str | None = None
    result: Result = None


async def attempt(work: Work[Any], parts: Parts, job: Job) -> Outcome:
    """Do a job as far as it goes.

    Raises LostJobError, and DATABASE_ERRORS that are no fault of the job's: an outage counts as no attempt.
    """
    kind = work.kind
    if job.taken.deaths >= kind.deaths:
        return Outcome("failed", f"its worker died {job.taken.deaths} times over it")
    try:
        arguments = kind.arguments.model_validate(dict(job.taken.arguments))
    except ValidationError as error:
        return Outcome("failed", f"what it was asked for does not fit {kind.name}: {_told(error)}")
    try:
        return Outcome("done", result=await work.do(Context(parts, job, arguments)))
    except StoppedError:
        return Outcome("stopped")
    except LostJobError:
        raise
    except Exception as error:
        if _is_outage(error, kind):
            raise
        return _judged(error, kind, job)


def _is_outage(error: Exception, kind: Kind[Any]) -> bool:
    """Whether the database is away; an OSError may be another server's, which is the job's own."""
    if isinstance(error, OSError):
        return not isinstance(error, kind.heals)
    return isinstance(error, DATABASE_ERRORS) and heals(error)


def _judged(error: Exception, kind: Kind[Any], job: Job) -> Outcome:
    if isinstance(error, PermanentError | ContractError):
        return Outcome("failed", str(error))
    if isinstance(error, asyncpg.PostgresError):
        said = f"the database refuses the job: {error}"
    elif isinstance(error, WattlineError | OSError):
        said = str(error) or type(error).__name__
    else:
        log.error("job_crashed", job=job.id, kind=kind.name, exc_info=error)
        said = f"the worker's own code failed: {error!r}"
    again = isinstance(error, kind.heals) and job.taken.failures + 1 < kind.attempts
    return Outcome("again" if again else "failed", said)


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
