"""The MQTT 5 session for asyncio: manual acks, bounded intake, reconnects, publishes that end at PUBACK."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Self

import structlog

from broker.backoff import Backoff
from broker.errors import ConnectionLostError, PermanentError, RefusedError, TransientError
from broker.mqtt.connection import Connection
from broker.mqtt.publication import Inbound, Publication, SessionOptions
from broker.outage import Outage
from broker.runtime.settings import BrokerAddress

__all__ = ["ConnectionLostError", "Inbound", "Publication", "RefusedError", "Session", "SessionOptions"]

log = structlog.get_logger()

TAKEOVER_FIRST_S = 10.0
TAKEOVER_CAP_S = 300.0
PUBACK_TRANSIENT = frozenset({0x80, 0x83, 0x97})
"""Refusals of a publish that may end by themselves (MQTT 5 3.4.2.1): unspecified, the broker's own, quota exceeded."""
RESUBSCRIBE_S = 60.0
RESUBSCRIBE_CAP_S = 960.0
"""What the broker refused is subscribed to again after this long on one connection, then twice as long each time."""
OPTIONAL_LOSSES = 2
"""After so many connections that were lost over an optional subscription the next is made without it."""


class Session:
    """A client's session at the broker across connections; enter it with `async with`.

    Entering starts the connection task and returns at once; `connected` tells the state, and `receive()` and
    `publish()` wait through outages. A client id that another client takes over is left to it for a growing while
    (`takeovers` counts). Leaving disconnects properly. A refused login (see SessionOptions) is raised by
    whoever waits on the session, as is a broker that lacks what the session needs. `ready` is awaited before each
    connection: what it needs (a certificate) may have to come first.

    What was received and not taken when the connection goes is dropped where the broker keeps the session, since it
    comes again; where it keeps nothing, up to `receive_maximum` of it stay.
    """

    def __init__(
        self,
        address: BrokerAddress,
        options: SessionOptions,
        *,
        on_connect: Callable[[bool], None] | None = None,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._moved = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._options = options
        self._on_connect = on_connect
        self._ready = ready
        self._subscriptions: dict[str, int] = dict(options.subscriptions)
        self._queue: deque[Inbound] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._up = asyncio.Event()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.connections = 0
        self.connects = 0
        """CONNECT packets that were sent, answered or not."""
        self.certificate: bytes | None = None
        """What the broker showed at the last connection (DER), None without TLS."""
        self.dropped_qos0 = 0
        self._drops_logged = -1
        self.takeovers = 0
        self.taken_over_at: datetime | None = None
        self.last_error = ""
        self.refused = False
        """Whether the broker answered the last attempt and refused our login, or what we subscribe to."""
        self._outage = Outage()
        self._logged_grants: dict[str, Any] = {}
        self._added: dict[str, int] = {}
        self._unmet: dict[str, int] = {}
        self._done_without: set[str] = set()
        self._losses: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions stand."""
        return self._up.is_set()

    @property
    def waiting(self) -> int:
        """Messages received and not yet taken by `receive()`."""
        return len(self._queue)

    async def __aenter__(self) -> Self:
        name = f"{self._options.client_id}.session"
        self._task = asyncio.get_running_loop().create_task(self._run(), name=name)
        return self

    async def __aexit__(self, *_: object) -> None:
        task = self._task
        if task is None:
            return
        task.cancel()
        # awaiting it would take a cancellation of ours for its own
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, PermanentError):
            raise error

    async def wait_connected(self) -> None:
        """Wait until the session is up. Raises RefusedError if the broker refused us for good."""
        await self._or_ended(self._up.wait())

    async def receive(self, most: int = 1) -> list[Inbound]:
        """Wait for at least one message and take up to `most`, in order."""
        while not self._queue:
            self._arrived.clear()
            await self._or_ended(self._arrived.wait())
        queue = self._queue
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        if self._options.receive_bytes is not None:
            self._waiting_bytes -= sum([len(message.payload) for message in taken])
            if self._connection is not None and self._waiting_bytes <= self._options.receive_bytes // 2:
                self._connection.read_on()
        return taken

    async def messages(self) -> AsyncIterator[Inbound]:
        """Messages one by one, for ever."""
        while True:
            for message in await self.receive():
                yield message

    def send(self, publication: Publication) -> asyncio.Future[int]:
        """Publish on the present connection, in the order of the calls; resolves at PUBACK to its reason code.

        That is 0, as for QoS 0 at once, or 0x10 where the broker had nobody to give the message to (MQTT 5 3.4.2.1).
        The future fails with ConnectionLostError when the connection goes first: send it again then. At most
        `in_flight` travel at once, the rest wait inside, so bound your own outstanding futures.
        """
        if self._connection is None or not self._up.is_set():
            future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            future.set_exception(ConnectionLostError("not connected"))
            return future
        return self._connection.send(publication)

    def post(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 0, without properties and not retained; False where there is no connection, and it is lost."""
        connection = self._connection
        return connection is not None and self._up.is_set() and connection.post(topic, payload)

    @property
    def unsent_bytes(self) -> int:
        """What waits for the broker to take it."""
        return 0 if self._connection is None else self._connection.client.unsent_bytes

    async def publish(self, publication: Publication, timeout_s: float | None = 30.0) -> int:
        """Publish at least once, through reconnects and refusals that may end; returns what `send()` resolves to.

        Raises TimeoutError, or RefusedError if the broker says no for good.
        """
        backoff = Backoff(cap_s=5.0)
        async with asyncio.timeout(timeout_s):
            while True:
                await self.wait_connected()
                try:
                    return await self.send(publication)
                except ConnectionLostError:
                    await asyncio.sleep(0)
                except RefusedError as error:
                    if error.code not in PUBACK_TRANSIENT:
                        raise
                    await asyncio.sleep(backoff.next_s())

    async def subscribe(self, *filters: tuple[str, int]) -> None:
        """Add subscriptions that outlive reconnects; waits for SUBACK if connected.

        A broker that does not answer in time is left, and all is subscribed on the next connection. Filters that it
        refuses are asked for again now and then where refusals are not fatal; else RefusedError is raised.
        """
        self._subscriptions.update(dict(filters))
        for name, _ in filters:
            self._added.pop(name, None)
        connection = self._connection
        if connection is not None and self._up.is_set():
            try:
                await connection.subscribe(filters)
            except RefusedError as error:
                for name, _ in filters:
                    self._subscriptions.pop(name, None)
                if self._options.refusal_is_fatal:
                    raise
                self._added.update(dict(filters))
                self._unmet.update(dict(filters))
                log.warning("subscription_refused", reason=str(error), client_id=self._options.client_id)
            except (TransientError, TimeoutError) as error:
                connection.close(str(error) or "no SUBACK in time")

    async def subscribe_optional(self, *filters: tuple[str, int]) -> None:
        """Add subscriptions that the broker may refuse, each for itself; those are asked for again now and then.

        They outlive reconnects. One that a broker ends the connection over is left out after OPTIONAL_LOSSES of them.
        """
        self._added.update(dict(filters))
        connection = self._connection
        if connection is not None and self._up.is_set():
            with contextlib.suppress(ConnectionLostError):
                for name, qos in filters:
                    await self._request(connection, name, qos)

    def refused_filters(self) -> list[str]:
        """Optional subscriptions that do not stand on the present connection."""
        return sorted(self._unmet)

    async def unsubscribe(self, *filters: str) -> None:
        """Take subscriptions back; once this returns, the broker gives us nothing new by them."""
        for name in filters:
            for wanted in (self._subscriptions, self._added, self._unmet):
                wanted.pop(name, None)
        connection = self._connection
        if connection is not None and self._up.is_set():
            try:
                await connection.unsubscribe(filters)
            except (TransientError, TimeoutError) as error:
                connection.close(str(error) or "no UNSUBACK in time")

    def move(self, address: BrokerAddress) -> None:
        """Go to another broker: the connection that stands is left, and the next one is made there, at once.

        What was received and not taken is dropped: who is left says nothing more here.
        """
        self._address = address
        self._moved.set()
        self._drop()
        self._queue.clear()
        self._waiting_bytes = 0
        self._free.set()

    def hold(self) -> None:
        """Leave the broker, and come to none before `move`: two connections of one client id would fight."""
        self._free.clear()
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None and self._up.is_set():
            self.last_error = "left for another broker"
            self._down(self._connection)

    async def _or_ended(self, wait: Any) -> None:
        task = self._task
        if task is None:
            raise PermanentError("the session is not entered; use async with")
        waiter = asyncio.ensure_future(wait)
        try:
            await asyncio.wait({waiter, task}, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and not waiter.done():
                task.result()
                raise PermanentError("the session has ended")
        finally:
            waiter.cancel()

    async def _run(self) -> None:
        backoff = Backoff()
        yielding = Backoff(TAKEOVER_FIRST_S, TAKEOVER_CAP_S, forgive_s=TAKEOVER_CAP_S / 3)
        nodes, turn = self._nodes(), 0
        while True:
            await self._free.wait()
            if self._moved.is_set():
                self._moved.clear()
                nodes, turn, backoff = self._nodes(), 0, Backoff()
            if self._ready is not None:
                await self._ready()
            connection = Connection(nodes[turn % len(nodes)], self._options, self._take)
            try:
                await self._connect(connection)
                backoff.succeeded()
                yielding.succeeded()
                self.last_error = await self._supervise(connection)
                if connection.unwanted:
                    backoff.forgive_nothing()
                    turn += 1
                if connection.taken_over:
                    await self._yield(connection, yielding)
                else:
                    self._failed("broker_connection_lost")
            except RefusedError as error:
                self.last_error, self.refused = str(error), True
                self._failed("broker_refused")
                if self._options.refusal_is_fatal:
                    raise
            except (TransientError, TimeoutError) as error:
                self.last_error, self.refused = str(error) or "the broker did not answer in time", False
                self._failed("broker_unreachable")
                # a node that was lost may be back at once, with our session; one that does not let us in is left
                turn += 1
            finally:
                self.connects += connection.sent
                self._down(connection)
            await self._rest(backoff.next_s())

    async def _rest(self, delay_s: float) -> None:
        """Wait before the next connection, unless it is to be made elsewhere."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._moved.wait()

    def _nodes(self) -> tuple[BrokerAddress, ...]:
        return self._address.nodes(self._options.client_id if self._options.spread else "")

    def _failed(self, event: str) -> None:
        self._outage.failed(event, reason=self.last_error, client_id=self._options.client_id)

    async def _yield(self, connection: Connection, backoff: Backoff) -> None:
        """Leave the client id to whoever took it for a while: two that take it in turns would do nothing else."""
        self.takeovers += 1
        self.taken_over_at = datetime.now(UTC)
        client_id = self._options.client_id
        self.last_error = f"another client took over the client id {client_id!r}: two may not have the same"
        delay_s = TAKEOVER_FIRST_S / 2 + backoff.next_s()
        log.error("session_taken_over", client_id=client_id, times=self.takeovers, retry_in_s=round(delay_s, 1))
        self._down(connection)
        await self._rest(delay_s)

    async def _connect(self, connection: Connection) -> None:
        session_present = await connection.open(first=self.connections == 0)
        self.certificate = connection.certificate
        self._connection = connection
        # first, for whoever subscribes meanwhile relies on the loop below
        await self._subscribe_optional(connection)
        granted: dict[str, int] = {}
        # again for those that are added while the broker answers
        while new := tuple(item for item in self._subscriptions.items() if item not in granted.items()):
            await connection.subscribe(new)
            granted.update(new)
        if self._moved.is_set() or not self._free.is_set():
            raise ConnectionLostError("left for another broker")
        self.connections += 1
        self.last_error, self.refused = "", False
        self._up.set()
        client_id, away = self._options.client_id, self._outage.over()
        log.info("broker_connected", client_id=client_id, session_present=session_present, **away)
        self._log_grants(connection)
        if self._on_connect is not None:
            self._on_connect(session_present)

    async def _subscribe_optional(self, connection: Connection) -> None:
        self._unmet.clear()
        asked: set[str] = set()
        # again for those that are added while the broker answers
        while new := [one for one in (*self._options.optional, *self._added.items()) if one[0] not in asked]:
            name, qos = new[0]
            asked.add(name)
            if self._losses[name] >= OPTIONAL_LOSSES:
                self._do_without(name, "the broker ends the connection over it")
                self._losses[name] -= 1
            else:
                await self._request(connection, name, qos)

    async def _request(self, connection: Connection, name: str, qos: int) -> None:
        """Subscribe to what may be refused. Raises ConnectionLostError."""
        try:
            await connection.subscribe(((name, qos),))
        except ConnectionLostError:
            # some brokers end the connection over what they don't allow
            self._losses[name] += 1
            raise
        except (RefusedError, TransientError, TimeoutError) as error:
            self._unmet[name] = qos
            self._do_without(name, str(error) or "no SUBACK in time")
        else:
            if self._unmet.pop(name, None) is not None or name in self._done_without:
                self._done_without.discard(name)
                log.info("subscription_granted", filter=name, client_id=self._options.client_id)
        self._losses[name] = 0

    async def _resubscribe(self, connection: Connection) -> None:
        """A busy broker answers later, and rights are given while a connection stands for weeks."""
        with contextlib.suppress(ConnectionLostError):
            for name, qos in tuple(self._unmet.items()):
                await self._request(connection, name, qos)

    def _do_without(self, name: str, reason: str) -> None:
        """Until it is granted; logged once."""
        if name not in self._done_without:
            self._done_without.add(name)
            log.info("subscription_done_without", filter=name, reason=reason, client_id=self._options.client_id)

    def _log_grants(self, connection: Connection) -> None:
        """Once for each state of affairs, and not with each connection."""
        facts = connection.granted.less_than(self._options)
        if facts and facts != self._logged_grants:
            log.warning("broker_grants_less", client_id=self._options.client_id, **facts)
        self._logged_grants = facts

    async def _supervise(self, connection: Connection) -> str:
        loop, wait_s = asyncio.get_running_loop(), RESUBSCRIBE_S
        retry_at_s = loop.time() + wait_s
        while True:
            done, _ = await asyncio.wait({connection.lost}, timeout=1.0)
            if done:
                return connection.lost.result()
            connection.misc()
            if self._unmet and loop.time() >= retry_at_s:
                await self._resubscribe(connection)
                wait_s = min(RESUBSCRIBE_CAP_S, 2 * wait_s)
                retry_at_s = loop.time() + wait_s

    def _down(self, connection: Connection) -> None:
        self._up.clear()
        if not connection.lost.done() and connection.connected.done() and not connection.connected.cancelled():
            connection.disconnect()
        connection.close(self.last_error or "closed")
        self._connection = None
        kept = (message for message in self._queue if message.qos == 0 or not self._options.session_expiry_s)
        self._queue = deque(islice(kept, self._options.receive_maximum))
        self._waiting_bytes = sum(len(message.payload) for message in self._queue)

    def _dropped(self) -> None:
        """Logged once for each connection: a flood would fill the log, too."""
        self.dropped_qos0 += 1
        if self._drops_logged != self.connections:
            self._drops_logged = self.connections
            log.warning("qos0_messages_dropped", waiting=len(self._queue), client_id=self._options.client_id)

    def _take(self, message: Inbound) -> None:
        if self._moved.is_set() or not self._free.is_set():
            # of a connection that was being made as the session went elsewhere
            return
        if len(self._queue) >= self._options.receive_maximum:
            if message.qos == 0:
                self._dropped()
                return
            # what is left of a lost connection, and QoS 0, lie here too
            if len(self._queue) >= 3 * self._options.receive_maximum and self._connection is not None:
                self._connection.refuse_more()
                return
        self._queue.append(message)
        self._arrived.set()
        most = self._options.receive_bytes
        if most is not None:
            self._waiting_bytes += len(message.payload)
            if self._waiting_bytes > most and self._connection is not None:
                self._connection.read_no_more()
