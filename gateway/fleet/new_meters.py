"""How many meters that are new, come back or are others' a device may register in a day."""

from collections.abc import Sequence
from typing import Final

import structlog

from gateway.quotas import Quotas
from store.quotas import Quota
from store.sql import Connection

log = structlog.get_logger()
EVENTS: Final = {
    Quota.METERS: "meters_left_out",
    Quota.PLACEMENTS: "meters_left_in_place",
    Quota.CLAIMS: "claims_left_out",
}


async def beyond_quota(
    connection: Connection, device: str, quota: Quota, new: Sequence[str], quotas: Quotas
) -> frozenset[str]:
    """Those of what is new that the day's quota has no room for; the device tells them again each day.

    Each costs rows for ever, and work under the lock of the configuration, which engineers wait for.
    """
    if not new:
        return frozenset()
    room = await quotas.room_for(connection, device, quota, len(new))
    if room < len(new):
        log.warning(EVENTS[quota], device=device, meters=len(new) - room, quota=str(quota))
    return frozenset(new[room:])
