"""What a gateway has acknowledged and not dealt with, in the store: taken up by its next start, unless overtaken."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from broker.contract.topics import Address, Kind, Topics
from broker.errors import ContractError
from gateway.bus.store import (
    DealtWith,
    KeptMessage,
    dealt_with,
    drop_messages,
    forget_messages,
    keep_messages,
    kept_messages,
)
from gateway.database import until_stored
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
NOTHING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of what was dealt with where nothing was."""
AT_ONCE: Final = timedelta(minutes=1)
"""A gateway of before kept what waited first, and dealt with what had come before it then."""
TASK: Final = "gateway.turns"


class Kept:
    """The messages of one gateway that wait their turn, one a topic: the newest."""

    def __init__(self, pool: Pool, topics: Topics, gateway: str, expiry_s: float, metrics: Metrics) -> None:
        self._pool = pool
        self._topics = topics
        self._gateway = gateway
        self._expiry_s = expiry_s
        self._metrics = metrics
        self._there: set[str] = set()

    async def restore(self) -> list[KeptMessage]:
        """What waited as this gateway ended, the oldest first.

        Not what another gateway, or another start, has dealt with a newer one of since; nor what is as old as a session
        that has ended, whosever it is: the newer ones have gone with that.
        """
        await until_stored(partial(forget_messages, self._pool, self._expiry_s), TASK, self._metrics)
        found = await until_stored(partial(kept_messages, self._pool, self._gateway), TASK, self._metrics)
        dealt = await self._dealt(one.topic for one in found)
        still = [one for one in found if one.topic in dealt and not is_overtaken(one, dealt[one.topic])]
        self._there = {one.topic for one in found}
        if len(still) < len(found):
            log.info("waiting_messages_overtaken", messages=len(found) - len(still))
            await self.drop_all_but({one.topic for one in still}.__contains__)
        return still

    async def keep(self, waiting: Mapping[str, bytes]) -> None:
        """Keep these payloads, by topic; those that came before them have been dealt with."""
        if not waiting:
            return
        dealt = await self._dealt(waiting)
        marks = [dealt[topic] for topic in waiting]
        keep = partial(keep_messages, self._pool, self._gateway, list(waiting), list(waiting.values()), marks)
        await until_stored(keep, TASK, self._metrics)
        self._there |= waiting.keys()

    async def drop_all_but(self, waits: Callable[[str], bool]) -> None:
        """Forget those that wait no more: they are dealt with, or newer ones are about to be."""
        if gone := [topic for topic in self._there if not waits(topic)]:
            await until_stored(partial(drop_messages, self._pool, self._gateway, gone), TASK, self._metrics)
            self._there.difference_update(gone)

    async def _dealt(self, topics: Iterable[str]) -> dict[str, datetime]:
        """The mark of what was dealt with last of each topic's device and kind; without topics of no device."""
        addresses = {topic: address for topic in topics if (address := self._address(topic)) is not None}
        if not addresses:
            return {}
        devices = sorted({address.device for address in addresses.values()})
        found = await until_stored(partial(dealt_with, self._pool, devices), TASK, self._metrics)
        by_device = {one.device: one for one in found}
        return {topic: _mark(address.kind, by_device.get(address.device)) for topic, address in addresses.items()}

    def _address(self, topic: str) -> Address | None:
        try:
            return self._topics.parse(topic)
        except ContractError:
            # of another root, which this gateway had before
            return None


def is_overtaken(kept: KeptMessage, dealt_at: datetime) -> bool:
    """Whether of a message's device and kind another one was dealt with since it was kept. Pure."""
    if kept.dealt_at is None:
        return dealt_at > kept.kept_at + AT_ONCE
    return dealt_at != kept.dealt_at


def _mark(kind: Kind, found: DealtWith | None) -> datetime:
    if kind is Kind.SOFTWARE_REPORTED:
        # the store itself knows which of two is newer
        return NOTHING
    at = None if found is None else found.reported_at if kind is Kind.REPORTED else found.registered_at
    return at or NOTHING
