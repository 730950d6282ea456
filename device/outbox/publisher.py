"""The outbox onto the wire: live messages first, the backlog and what the store has missed beside them."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from broker.backoff import Backoff
from broker.contract.messages import Readings, Receipts, Source
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.errors import ContractError, WattlineError
from broker.mqtt.publication import NO_SUBSCRIBERS, Publication
from broker.mqtt.session import RefusedError, Session
from device.clock import DeviceClock
from device.metrics import DeviceMetrics
from device.outbox.lanes import Lane, Lanes
from device.outbox.outbox import Outbox
from device.outbox.pace import Pace
from device.outbox.record import Record
from device.outbox.resending import Resending, with_tries

log = structlog.get_logger()

BACKLOG_READ: Final = 64
PACED_MAX: Final = 4096
"""Messages of the backlog whose time of sending is remembered until their receipt."""
POISON_CODES: Final = frozenset({0x95, 0x99})
"""PUBACK codes that no repetition heals (MQTT 5 3.4.2.1): packet too large, payload format invalid."""
REFUSED_PAUSE_S: Final = 5.0
NOBODY_FIRST_S: Final = 2.0
NOBODY_CAP_S: Final = 30.0
"""Until somebody subscribes one message is tried this often; the first wait, and the longest, before jitter."""


@dataclass(frozen=True, slots=True)
class PublisherOptions:
    """`in_flight` bounds what is sent and not yet acknowledged; older readings than `backfill_after_s` are backfill."""

    in_flight: int
    backfill_after_s: float


class Publisher:
    """Sends what waits in the outbox, in two lanes, and again what the store has missed.

    What is appended while connected goes out at once; what waited (an outage, an earlier boot) drains beside it with
    half of the window at most while live messages wait. The live lane is bounded: its oldest become backlog, which is
    read from disk. A message whose connection went is backlog, too. What is sent again
    for want of a receipt takes the backlog's share of the window, before it. Where receipts are heard, both keep to a
    pace (device.outbox.pace), so that no live message has to queue behind them on its way to the store. While nobody
    subscribes at the broker, one message at a time is tried. Nothing is sent while `ready()` says no, as it does until
    a new meter is registered. `on_poison` is given what the broker refuses for good, with its code.
    """

    def __init__(
        self,
        session: Session,
        outbox: Outbox,
        topics: Topics,
        device: str,
        clock: DeviceClock,
        metrics: DeviceMetrics,
        options: PublisherOptions,
        lanes: Lanes,
        resending: Resending,
        ready: Callable[[], bool],
        on_poison: Callable[[Record, int], None],
    ) -> None:
        self._session = session
        self._outbox = outbox
        self._topics = {kind: topics.of(kind, device) for kind in (Kind.READINGS, Kind.FRAMES, Kind.EVENTS)}
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self._lanes = lanes
        self._live = lanes.live
        self._ready = ready
        self._on_poison = on_poison
        self._after = 0
        self._pause_until = 0.0
        self._nobody: Backoff | None = None
        self._pace = Pace(0.0)
        self._paced_s: OrderedDict[int, float] = OrderedDict()
        self._alarm: asyncio.TimerHandle | None = None
        self._resending = resending

    @property
    def idle(self) -> bool:
        """Whether the broker has all messages, or keeps them for nobody: there is nothing to wait for."""
        return self._outbox.waiting == 0 or self._nobody is not None

    def take_receipts(self, receipts: Receipts) -> None:
        """Take what the store says that it holds."""
        named = self._resending.take(receipts)
        # how long the way to the store is; of live ones, which are rare, the last may have waited long for its receipt
        sent_s = [self._paced_s[end - 1] for _, end in named if end - 1 in self._paced_s]
        if sent_s:
            self._pace.confirmed(max(sent_s), asyncio.get_running_loop().time())
        self._live.wake.set()

    async def pump(self, connection: int) -> None:
        """Send until this connection (its number in the session) is lost; what was not acknowledged then stays."""
        self._live.open()
        self._after = 0
        self._lanes.backlog.clear()
        self._pace = Pace(asyncio.get_running_loop().time())
        self._paced_s.clear()
        try:
            while self._session.connected and self._session.connections == connection:
                self._fill()
                self._live.wake.clear()
                try:
                    async with asyncio.timeout(1.0):
                        await self._live.wake.wait()
                except TimeoutError:
                    continue
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            self._live.close()
            self._lanes.backlog.clear()

    def _fill(self) -> None:
        if asyncio.get_running_loop().time() < self._pause_until or not self._ready():
            return
        window = self._options.in_flight if self._nobody is None else 1
        while len(self._lanes.in_flight) < window and self._session.connected:
            if (newest := self._live.take()) is not None:
                self._send(newest, Lane.LIVE)
                continue
            if self._is_early():
                return
            live = self._lanes.on_the_way(Lane.LIVE)
            if live and len(self._lanes.in_flight) - live >= max(1, window // 2):
                return
            again = self._resending.next(lambda index: index in self._lanes.in_flight)
            record = again or self._next_backlog()
            if record is None:
                return
            self._send(record, Lane.AGAIN if again else Lane.BACKLOG)

    def _is_early(self) -> bool:
        """Whether the backlog is to wait for its pace; it wakes us then."""
        if not self._outbox.has_receipts:
            return False
        wait_s = self._pace.wait_s(asyncio.get_running_loop().time())
        if wait_s > 0:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_later(wait_s, self._live.wake.set)
        return wait_s > 0

    def _next_backlog(self) -> Record | None:
        while True:
            if not self._lanes.backlog:
                under_way = self._lanes.on_the_way(Lane.LIVE, Lane.BACKLOG)
                if self._outbox.waiting <= under_way + len(self._live):
                    return None
                found = self._outbox.read_after(self._after, BACKLOG_READ)
                if not found:
                    # from the start again at the next turn, for those that fell out of a lane
                    self._after = 0
                    return None
                self._after = found[-1].index
                self._lanes.backlog.extend(found)
            record = self._lanes.backlog.popleft()
            if record.index in self._lanes.in_flight or record.index in self._live:
                continue
            # read while it was under way live, it may be acknowledged by now
            if self._outbox.waits(record.index):
                return record

    def _send(self, record: Record, lane: Lane) -> None:
        delivery = DELIVERY[record.kind]
        payload = record.payload if lane is Lane.LIVE else self._marked(record)
        tries = self._resending.sent(record.index, again=lane is Lane.AGAIN)
        if lane is Lane.AGAIN:
            payload = with_tries(payload, tries)
        future = self._session.send(
            Publication(self._topics[record.kind], payload, qos=delivery.qos, retain=delivery.retain)
        )
        if lane is not Lane.LIVE:
            now_s = asyncio.get_running_loop().time()
            self._pace.sent(now_s)
            if lane is Lane.BACKLOG:
                self._paced_s[record.index] = now_s
                if len(self._paced_s) > PACED_MAX:
                    self._paced_s.popitem(last=False)
        self._lanes.in_flight[record.index] = lane
        self._metrics.published.labels(record.kind, lane).inc()
        future.add_done_callback(lambda done: self._done(record, done))

    def _done(self, record: Record, future: asyncio.Future[int]) -> None:
        self._lanes.in_flight.pop(record.index, None)
        self._live.wake.set()
        if future.cancelled():
            return
        error = future.exception()
        if error is None and future.result() == NO_SUBSCRIBERS:
            self._kept_for_nobody()
        elif error is None:
            self._nobody = None
            self._outbox.acknowledge(record.index)
            self._metrics.pubacks.labels(record.kind).inc()
        elif isinstance(error, RefusedError) and error.code in POISON_CODES:
            self._metrics.publish_failures.labels("poison").inc()
            self._on_poison(record, error.code)
            self._outbox.finish(record.index)
        elif isinstance(error, RefusedError):
            self._metrics.publish_failures.labels("refused").inc()
            self._pause_until = asyncio.get_running_loop().time() + REFUSED_PAUSE_S
            log.warning("publish_refused", kind=record.kind, index=record.index, error=str(error))
        else:
            self._metrics.publish_failures.labels("lost").inc()
            if not isinstance(error, WattlineError):
                log.warning("publish_failed", kind=record.kind, index=record.index, error=repr(error))

    def _kept_for_nobody(self) -> None:
        self._metrics.publish_failures.labels("no_subscribers").inc()
        now_s = asyncio.get_running_loop().time()
        if self._nobody is None:
            self._nobody = Backoff(NOBODY_FIRST_S, NOBODY_CAP_S)
            log.warning("no_subscribers", reason="the broker has nobody who stores our messages; they are kept here")
        elif now_s < self._pause_until:
            # sent beside the one whose PUBACK said so
            return
        self._pause_until = now_s + self._nobody.next_s()

    def _marked(self, record: Record) -> bytes:
        """The payload, with source backfill where live readings waited too long."""
        waited_s = self._clock.wall_s() - record.appended_ms / 1000
        if record.kind is not Kind.READINGS or waited_s < self._options.backfill_after_s:
            return record.payload
        try:
            message = Readings.parse(record.payload)
        except ContractError as error:
            log.warning("outbox_payload_unreadable", index=record.index, error=str(error))
            return record.payload
        if message.source is not Source.LIVE:
            return record.payload
        return message.model_copy(update={"source": Source.BACKFILL}).payload()
