"""Messages on their way: each channel by itself, one at a time, until they are there or are given up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import structlog

from broker.errors import PermanentError
from ingestor.notices import by_apprise, webhook
from ingestor.notices.metrics import NoticeMetrics
from ingestor.notices.outcome import Outcome, pause
from ingestor.notices.store import TakenNotice, due_channels, end_notice, take_notice
from store.meter_keys import MasterKeys
from store.notices.channels import Address, opened, sealed_for
from store.pool import Pool

log = structlog.get_logger()
MARGIN_S: Final = 30.0
"""Beyond the time of an attempt, a worker that says nothing of it is taken for dead."""
MOST_CHANNELS: Final = 20
"""Channels that are sent to at a time; each has one connection or process."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What attempts are held to."""

    timeout_s: float = 15.0
    private: bool = False
    master_file: Path | None = None


class Sender:
    """Sends what is due; a task for each channel that has something, so that a dead one holds up none but itself."""

    def __init__(self, pool: Pool, metrics: NoticeMetrics, limits: Limits, stop: asyncio.Event) -> None:
        self._pool = pool
        self._metrics = metrics
        self._limits = limits
        self._stop = stop
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def round(
        self, group: asyncio.TaskGroup, guarded: Callable[[str, Awaitable[object]], Awaitable[None]]
    ) -> None:
        """Begin with each channel for which something is due and nobody is at it."""
        self._busy = {channel: task for channel, task in self._busy.items() if not task.done()}
        for channel in await due_channels(self._pool):
            if channel not in self._busy and len(self._busy) < MOST_CHANNELS:
                work = guarded("send", self._drain(channel))
                self._busy[channel] = group.create_task(work, name=f"worker.notices.{channel}")  # type: ignore[arg-type]

    async def _drain(self, channel: str) -> None:
        while not self._stop.is_set() and await self._one(channel):
            pass

    async def _one(self, channel: str) -> bool:
        """Send a channel's next message; False where there is none, or the channel must rest."""
        taken = await take_notice(self._pool, channel, self._limits.timeout_s + MARGIN_S)
        if taken is None:
            return False
        outcome = await self._attempt(taken)
        state: Literal["sent", "waiting", "dead"]
        match outcome.state:
            case "again":
                state = "waiting" if taken.tries_left > 0 else "dead"
            case other:
                state = other
        rest = pause(taken.failures + 1, outcome.retry_after_s) if outcome.state == "again" else timedelta()
        await end_notice(self._pool, taken.id, state, outcome.answer, taken.tries, rest)
        self._metrics.attempts.labels(outcome.state).inc()
        tell = log.info if state == "sent" else log.warning
        tell(f"notice_{state}", id=str(taken.id), channel=channel, rule=taken.rule, tries=taken.tries,
             answer=outcome.answer)  # fmt: skip
        return outcome.state != "again"

    async def _attempt(self, taken: TakenNotice) -> Outcome:
        try:
            address = await asyncio.to_thread(self._address, taken)
        except PermanentError as error:
            return Outcome("again", str(error))
        limits = self._limits
        if address.kind == "webhook":
            return await webhook.post(
                address, str(taken.id), taken.event, timeout_s=limits.timeout_s, private=limits.private
            )
        return await by_apprise.send(
            address, taken.title, taken.text, timeout_s=limits.timeout_s, private=limits.private
        )

    def _address(self, taken: TakenNotice) -> Address:
        if self._limits.master_file is None:
            raise PermanentError("this worker opens no channel: set WATTLINE_WORKER_METER_KEYS_FILE")
        master = MasterKeys.load(self._limits.master_file)
        return opened(master.open(sealed_for(taken.channel), taken.master, taken.sealed))
