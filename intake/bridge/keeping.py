"""What becomes of a source's message, by whichever session it came: refused, or stored however long that takes."""

import asyncio
from collections.abc import Iterable
from typing import Final

from broker.backoff import Backoff
from intake.bridge.admission import Admission
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.settings import BridgeSettings
from intake.inbox.inbox import Inbox
from intake.inbox.payload import InboxError, Payload, PayloadRefusedError
from intake.notices.notices import Notices

PUT_S: Final = 30.0
WAIT_CAP_S: Final = 5.0


class Keeper:
    """Judges messages of all brokers by the same shares, and stores them; each refusal is counted and told."""

    def __init__(
        self, inbox: Inbox, admission: Admission, notices: Notices, metrics: BridgeMetrics, settings: BridgeSettings
    ) -> None:
        self._inbox = inbox
        self._admission = admission
        self._notices = notices
        self._metrics = metrics
        self._most_bytes = settings.payload_kib * 1024

    def is_too_large(self, owners: Iterable[str], topic: str, size: int) -> bool:
        """Whether a message is larger than one may be."""
        if size <= self._most_bytes:
            return False
        self._metrics.results["too_large"].inc()
        for owner in owners:
            self._notices.tell(owner, "source_message_too_large", topic=topic, bytes=size, most=self._most_bytes)
        return True

    def admitted(self, owners: Iterable[str], topic: str, size: int, now_s: float) -> list[str]:
        """Those of its sources that are not over their share with it; `now_s` of one monotonic clock."""
        found = []
        for owner in owners:
            if reason := self._admission.over(owner, topic, size, now_s):
                self._metrics.results["flood"].inc()
                self._notices.tell(owner, "source_flooding", topic=topic, reason=reason)
            else:
                found.append(owner)
        return found

    def refuse(self, owners: Iterable[str], topic: str | None, reason: str) -> None:
        """Take a message of none of its sources."""
        self._metrics.results["refused"].inc()
        for owner in owners:
            self._notices.tell(owner, "source_message_refused", topic=topic, reason=reason)

    async def put(self, payload: Payload) -> bool | None:
        """Store a payload, however long the database is away; whether it was there before, None where it is refused.

        What was tried in vain may have been stored all the same: found there then, it is not called a repeat.
        """
        backoff, is_certain = Backoff(cap_s=WAIT_CAP_S), True
        while True:
            try:
                kept = await self._inbox.put(payload, PUT_S)
            except PayloadRefusedError as error:
                self.refuse([payload.source], payload.topic, error.reason)
                return None
            except InboxError:
                is_certain = False
                self._metrics.retries.inc()
                await asyncio.sleep(backoff.next_s())
                continue
            return kept.repeated and is_certain

    def count(self, *, repeated: bool) -> None:
        """Count one that is stored."""
        self._metrics.results["repeated" if repeated else "kept"].inc()
