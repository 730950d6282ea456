"""Which jobs a worker takes out of the queue: by priority, within limits by kind, and never long ones alone."""

import dataclasses
from collections.abc import AsyncGenerator
from datetime import timedelta

from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job as QueueEntry
from pgqueuer.domain.types import JobId, QueueEntrypoint


@dataclasses.dataclass
class Taking(QueueManager):
    """PgQueuer's own, which leaves the last place to kinds that take a moment: it takes `heavy_most` of `heavy` ones.

    PgQueuer keeps limits by kind over all workers; what one worker should hold at a time it can say for all kinds only.
    """

    heavy: frozenset[str] = frozenset()
    heavy_most: int = 1
    taken: dict[JobId, str] = dataclasses.field(init=False, default_factory=dict)

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        """The kinds that may be taken now."""
        self.taken = {number: kind for number, kind in self.taken.items() if number in self.job_context}
        every = super().entrypoints_below_capacity_limits()
        if sum(kind in self.heavy for kind in self.taken.values()) < self.heavy_most:
            return every
        return {one for one in every if one not in self.heavy}

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[QueueEntry, None]:
        """Note the kind of what is taken before anything else is."""
        async for entry in super().fetch_jobs(batch_size, global_concurrency_limit, heartbeat_timeout):
            self.taken[entry.id] = entry.entrypoint
            yield entry
