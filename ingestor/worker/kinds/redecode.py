"""Kept frames decoded again into history."""

from typing import Final

from ingestor.worker import jobs
from ingestor.worker.context import Context, Result, Work
from ingestor.worker.redecoding import Redecoding
from store.kinds.frames import REDECODE
from store.kinds.kind import NoArguments


async def redecode(context: Context[NoArguments]) -> Result:
    """Decode what is left of the job's frames; its cursor and its counts are columns of their own."""
    parts, job = context.parts, context.job
    await jobs.see_frames(parts.pool, job)
    if not await Redecoding(parts.pool, parts.decoders, parts.settings, parts.metrics, job, parts.stop).run():
        context.go_on()
    return None


WORK: Final = Work(REDECODE, redecode)
