"""What a device says of itself beside its outbox: status, registration, reports, replies."""

import asyncio
import contextlib
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from platform import python_version
from typing import Final

import structlog

from broker.contract.commands import COMMANDS
from broker.contract.messages import MeterSeen, Parameters, Registration, Reply, Reported, Software, Status
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.errors import RefusedError
from broker.mqtt.publication import NO_SUBSCRIBERS, Publication
from broker.mqtt.session import Session
from device.clock import DeviceClock
from device.config.configuration import Configuration, Verdict
from device.hardware import hardware
from device.outbox.status import OutboxStatus
from device.version import software_version

log = structlog.get_logger()

REPLIES_MAX: Final = 100
PUBLISH_TIMEOUT_S: Final = 15.0
HELD_BACK_MAX: Final = 256
UNRECEIVED_FIRST_S: Final = 10.0
UNRECEIVED_CAP_S: Final = 600.0
REGISTER_AGAIN_S: Final = 86400.0
"""A registration may be lost behind a PUBACK, in a broker that forgets, and who has heard it does not say so."""
_OWN: Final = (Kind.STATUS, Kind.REGISTRATION, Kind.REPORTED)


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    reply: Reply
    correlation: bytes | None
    sent: "asyncio.Future[None]"


class Control:
    """The device's own documents; each is sent at every connect and whenever it changes, the newest state only.

    A registration that nobody received is sent again, ever more rarely, and any one once a day. `on_sent` is called
    once all that was due is sent. Replies wait in a queue of REPLIES_MAX; when it is full the oldest is dropped and
    logged: whoever asked has timed out by then.
    """

    def __init__(
        self,
        session: Session,
        topics: Topics,
        device: str,
        boot: str,
        clock: DeviceClock,
        config: Configuration,
        since: datetime,
        outbox_status: OutboxStatus,
        on_sent: Callable[[], None],
    ) -> None:
        self._session = session
        self._topics = topics
        self._device = device
        self._boot = boot
        self._clock = clock
        self._config = config
        self._since = since
        self._outbox_status = outbox_status
        self._on_sent = on_sent
        self._due: set[Kind] = set(_OWN)
        self._sending: Kind | None = None
        self._unreceived = 0
        self._register_at_s = math.inf
        self._replies: deque[_Answer] = deque()
        self._changed = asyncio.Event()
        self._hardware = hardware()
        self._verdict = config.verdict()
        self._software = b""
        self.ports: tuple[str, ...] = ()
        self.meters: tuple[MeterSeen, ...] = ()
        self.specs: dict[str, str] = {}
        self.moving: Callable[[], bool] = lambda: False
        """Whether an address of the broker has not proven itself: what is in force may still be undone."""

    @property
    def registered(self) -> bool:
        """Whether the broker has acknowledged the newest registration."""
        return Kind.REGISTRATION not in self._due and self._sending is not Kind.REGISTRATION

    def is_registered(self) -> bool:
        """Whether the platform has the newest registration, as far as the broker says, and can answer it."""
        return self._session.connected and self.registered

    def registration_changed(self, ports: tuple[str, ...], meters: tuple[MeterSeen, ...]) -> None:
        """Register (again) as soon as there is a connection."""
        self.ports, self.meters = ports, meters
        self._due.add(Kind.REGISTRATION)
        self._changed.set()

    def report(self, verdict: Verdict | None, specs: dict[str, str]) -> None:
        """Report the configuration (again); without a verdict only the specs in use changed."""
        if verdict is not None:
            self._verdict = verdict
        self.specs = specs
        self._due.add(Kind.REPORTED)
        self._changed.set()

    def report_software(self, payload: bytes) -> None:
        """Hand on what the updater says (again)."""
        self._software = payload
        self._due.add(Kind.SOFTWARE_REPORTED)
        self._changed.set()

    def reply(self, reply: Reply, correlation: bytes | None) -> "asyncio.Future[None]":
        """Answer a command; the future is done when the broker has the reply, and cancelled where it was dropped."""
        if len(self._replies) == REPLIES_MAX:
            dropped = self._replies.popleft()
            dropped.sent.cancel()
            log.warning("reply_dropped", command=dropped.reply.command)
        sent = asyncio.get_running_loop().create_future()
        self._replies.append(_Answer(reply, correlation, sent))
        self._changed.set()
        return sent

    async def greet(self) -> None:
        """After each connect: status, registration and report, before anything else. Raises TimeoutError."""
        self._due.update(_OWN)
        if self._software:
            self._due.add(Kind.SOFTWARE_REPORTED)
        await self._send_due()

    async def run(self, connection: int) -> None:
        """Send what changes while this connection (its number in the session) lasts; the next begins with `greet`."""
        while self._session.connected and self._session.connections == connection:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._changed.wait()
            self._changed.clear()
            now_s = asyncio.get_running_loop().time()
            if now_s >= self._register_at_s:
                self._due.add(Kind.REGISTRATION)
            if self._outbox_status.due(now_s):
                self._due.add(Kind.STATUS)
            await self._send_due()

    def last_report(self) -> Publication:
        """What stands of the configuration, for a broker that is left for good: nothing is on probation any more there.

        What meters may still undo is for the new one to hear.
        """
        delivery, topic = DELIVERY[Kind.REPORTED], self._topics.of(Kind.REPORTED, self._device)
        report = self._reported().model_copy(update={"probation": False, "watched": None})
        return Publication(topic, report.payload(), delivery.qos, retain=delivery.retain)

    async def farewell(self) -> None:
        """Say that the device goes offline on purpose."""
        if self._session.connected:
            await self._publish(Kind.STATUS, self._status(online=False, since=self._clock.now()).payload())

    async def _send_due(self) -> None:
        documents: dict[Kind, Callable[[], bytes]] = {
            Kind.STATUS: lambda: self._status(online=True, since=self._since).payload(),
            Kind.REGISTRATION: lambda: self._registration().payload(),
            Kind.REPORTED: lambda: self._reported().payload(),
            Kind.SOFTWARE_REPORTED: lambda: self._software,
        }
        for kind, payload in documents.items():
            while kind in self._due:
                # taken off first: what changes while it travels is sent again
                self._due.discard(kind)
                self._sending = kind
                try:
                    code = await self._publish(kind, payload())
                except RefusedError as error:
                    if kind is not Kind.SOFTWARE_REPORTED:
                        self._due.add(kind)
                        raise
                    # a broker whose rights are of before: readings must not wait for them
                    log.warning("software_report_refused", reason=str(error))
                    continue
                except BaseException:
                    self._due.add(kind)
                    raise
                finally:
                    self._sending = None
                if kind is Kind.REGISTRATION:
                    self._registration_sent(received=code != NO_SUBSCRIBERS)
        self._on_sent()
        while self._replies:
            answer = self._replies[0]
            topic = self._topics.of(Kind.REPLIES, self._device)
            publication = Publication(
                topic, answer.reply.payload(), DELIVERY[Kind.REPLIES].qos, correlation=answer.correlation
            )
            await self._session.publish(publication, PUBLISH_TIMEOUT_S)
            if self._replies and self._replies[0] is answer:
                self._replies.popleft()
            if not answer.sent.done():
                answer.sent.set_result(None)

    def _registration_sent(self, *, received: bool) -> None:
        self._unreceived = 0 if received else self._unreceived + 1
        if self._unreceived == 1:
            log.warning("registration_unheard", reason="nobody subscribes to it at the broker; it is sent again")
        wait_s = (
            REGISTER_AGAIN_S
            if received
            else min(UNRECEIVED_CAP_S, UNRECEIVED_FIRST_S * 2 ** min(self._unreceived - 1, 10))
        )
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - keeps a fleet apart
        self._register_at_s = asyncio.get_running_loop().time() + wait_s * spread

    async def _publish(self, kind: Kind, payload: bytes) -> int:
        delivery = DELIVERY[kind]
        topic = self._topics.of(kind, self._device)
        return await self._session.publish(
            Publication(topic, payload, qos=delivery.qos, retain=delivery.retain), PUBLISH_TIMEOUT_S
        )

    def _status(self, *, online: bool, since: datetime) -> Status:
        outbox = self._outbox_status.state()
        self._outbox_status.sent(outbox, asyncio.get_running_loop().time())
        return Status(online=online, boot=self._boot, software=software_version(), since=since, outbox=outbox)

    def _registration(self) -> Registration:
        return Registration(
            boot=self._boot,
            at=self._clock.now(),
            hardware=self._hardware,
            software=Software(
                version=software_version(),
                python=python_version(),
                parameters=tuple(Parameters.model_fields),
                commands=tuple(COMMANDS),
            ),
            ports=tuple(port[:256] for port in self.ports),
            meters=self.meters,
        )

    def _reported(self) -> Reported:
        verdict, trial = self._verdict, self._config.trial
        tried = trial if verdict.state != "refused" and verdict.version == self._config.version else None
        return Reported(
            version=verdict.version,
            state=verdict.state,
            in_force=self._config.version,
            probation=tried is not None or (verdict.applied and self.moving()),
            watched=None if tried is None else tuple(key for key, one in tried.watched.items() if one.open),
            held_back=self._config.held_back()[:HELD_BACK_MAX] if verdict.state == "reverted" else None,
            boot=self._boot,
            at=self._clock.now(),
            reasons=verdict.reasons,
            effective=self._config.parameters,
            specs=self.specs,
        )


def will(topics: Topics, device: str, boot: str, since: datetime) -> Publication:
    """The last will of a device."""
    delivery = DELIVERY[Kind.STATUS]
    payload = Status(online=False, boot=boot, software=software_version(), since=since).payload()
    return Publication(topics.of(Kind.STATUS, device), payload, qos=delivery.qos, retain=delivery.retain)
