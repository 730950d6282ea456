"""The outbox of the broker: what is desired of devices that the store has and the broker has not acknowledged."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from gateway.bus.store import (
    Claimed,
    ClaimedSoftware,
    Waiting,
    claim_software,
    claim_waiting,
    count_waiting,
    release_claims,
    release_software,
)
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
BATCH: Final = 100
"""Devices published at once; each has one message in flight."""
CLAIM_S: Final = 20.0
"""For so long others leave a claimed configuration to its gateway: more than one publication may take."""


class Outbox:
    """Claims and releases; each is one statement that waits for nobody. They raise asyncpg's errors.

    Each configuration, and each software, that a commit leaves is claimed by one gateway at a time: it is published
    once, and versions of a device in their order. A gateway that dies leaves its claims to its next start, and to
    others after CLAIM_S.
    """

    def __init__(self, pool: Pool, gateway: str, metrics: Metrics) -> None:
        self._pool = pool
        self._gateway = gateway
        self._metrics = metrics

    async def claim(self) -> list[Claimed]:
        """Up to BATCH of what waits, the oldest first."""
        claimed = await claim_waiting(self._pool, self._gateway, CLAIM_S, BATCH)
        self._note_taken_over([one.device for one in claimed if one.taken_over])
        return claimed

    async def release(self, claimed: Sequence[Claimed], acknowledged: Mapping[int, int]) -> None:
        """End claims, with the versions that the broker has acknowledged, by device; the others wait on."""
        ids = [one.device_id for one in claimed]
        await release_claims(self._pool, self._gateway, ids, [acknowledged.get(device_id) for device_id in ids])

    async def claim_software(self) -> list[ClaimedSoftware]:
        """The same of software."""
        claimed = await claim_software(self._pool, self._gateway, CLAIM_S, BATCH)
        self._note_taken_over([one.device for one in claimed if one.taken_over])
        return claimed

    async def release_software(self, claimed: Sequence[ClaimedSoftware], acknowledged: Mapping[int, int]) -> None:
        """The same of software."""
        ids = [one.device_id for one in claimed]
        await release_software(self._pool, self._gateway, ids, [acknowledged.get(device_id) for device_id in ids])

    async def waiting(self) -> Waiting:
        """What waits now."""
        return await count_waiting(self._pool)

    def _note_taken_over(self, devices: Sequence[str]) -> None:
        if devices:
            self._metrics.taken_over.inc(len(devices))
            log.warning("publications_taken_over", devices=len(devices), first=devices[0])
