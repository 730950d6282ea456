"""Payloads of quarantine taken again."""

from typing import Final

from ingestor.worker import jobs
from ingestor.worker.context import Context, Result, Work
from ingestor.worker.retrying import Retrying
from store.kinds.frames import RETRY
from store.kinds.kind import NoArguments


async def retry(context: Context[NoArguments]) -> Result:
    """Take what is left of the job's payloads again; its cursor and its counts are columns of their own."""
    parts, job = context.parts, context.job
    await jobs.see_frames(parts.pool, job)
    if not await Retrying(parts.pool, parts.settings, parts.metrics, job, parts.stop).run():
        context.go_on()
    return None


WORK: Final = Work(RETRY, retry)
