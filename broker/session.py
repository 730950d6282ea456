"""The MQTT 5 session over paho for asyncio: manual acks, bounded intake, reconnects, publishes that end at PUBACK."""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from struct import Struct
from typing import Any, Self, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from broker.backoff import Backoff
from broker.errors import PermanentError, TransientError
from broker.outage import Outage
from broker.settings import BrokerAddress
from broker.topics import is_shared

log = structlog.get_logger()

RECEIVE_CHUNK_BYTES = 65536
CONNECT_TIMEOUT_S = 10.0
_PUBACK = Struct(">BBH").pack
PUBLISH_BELOW_QOS2 = 0x30
"""The header byte of a PUBLISH of QoS 0 or 1, its flags for DUP, QoS 1 and RETAIN masked out (MQTT 5 3.3.1)."""
REFUSED_FOR_GOOD = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
"""CONNACK codes that waiting won't heal (MQTT 5 3.2.2.2): version, client id, credentials, rights, ban, method."""


TAKEN_OVER = 0x8E
"""The broker's reason when another client came under our client id (MQTT 5 3.14.2.1, 3.1.4)."""
TAKEOVER_FIRST_S = 10.0
TAKEOVER_CAP_S = 300.0


class ConnectionLostError(TransientError):
    """The connection went away before the broker acknowledged; what was sent may or may not have arrived."""


class RefusedError(PermanentError):
    """The broker refused a connection, publish or subscription; `code` is its MQTT 5 reason code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to send; `expiry_s`, `response_topic` and `correlation` are MQTT 5 properties."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A received message, not acknowledged until `ack()`; after a lost connection the broker sends it again.

    `expires_s` is when its life ends by the event loop's clock (MQTT 5 3.3.2.3.3), None for one without end.
    """

    topic: str
    payload: bytes
    retain: bool
    qos: int
    mid: int
    response_topic: str | None
    correlation: bytes | None
    _connection: "_Connection" = field(repr=False)
    expires_s: float | None = None

    @property
    def current(self) -> bool:
        """Whether the connection that it came by still stands, so that what it says of the broker still holds."""
        return not self._connection.lost.done()

    def ack(self) -> None:
        """Tell the broker that this message is dealt with; nothing happens if its connection is gone."""
        self._connection.ack(self.mid, self.qos)


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session behaves.

    `receive_maximum` (MQTT 5 3.1.2.11.3) bounds what the broker sends ahead of our acks, and so the intake queue;
    QoS 0 messages that find it full are counted in `Session.dropped_qos0` and dropped. `in_flight` bounds our own
    unacknowledged publishes. With `refusal_is_fatal` a refused login ends the session, else it is retried for ever.
    `no_local` asks the broker not to send us what we publish (MQTT 5 3.8.3.1), where the subscription is not shared;
    of QoS 0, topics that end with `ignored` are passed over as they come.
    """

    client_id: str
    clean_start: bool = True
    session_expiry_s: int = 0
    receive_maximum: int = 1000
    in_flight: int = 100
    keepalive_s: int = 30
    will: Publication | None = None
    refusal_is_fatal: bool = True
    no_local: bool = False
    ignored: str | None = None
    subscriptions: tuple[tuple[str, int], ...] = ()


class _Client(mqtt.Client):
    """Paho with one system call for many packets; by itself it reads byte by byte and sends each ack alone."""

    _inbox = b""
    _inbox_pos = 0
    _outbox = bytearray()

    def prepare(self) -> None:
        self._outbox = bytearray()

    @property
    def has_input(self) -> bool:
        sock = self._sock
        pending = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0
        return self._inbox_pos < len(self._inbox) or pending > 0

    @property
    def has_output(self) -> bool:
        return bool(self._outbox) or self.want_write()

    def _sock_recv(self, bufsize: int) -> bytes:
        pos = self._inbox_pos
        if pos >= len(self._inbox):
            self._inbox = super()._sock_recv(RECEIVE_CHUNK_BYTES)
            pos = 0
        chunk = self._inbox[pos : pos + bufsize]
        self._inbox_pos = pos + len(chunk)
        return chunk

    def take_publish(self) -> tuple[int, bytes, int, bytes] | None:
        """The next packet's header byte, topic, id and payload, if it is a whole plain PUBLISH (MQTT 5 3.3).

        None for any other packet, one with properties, QoS 2, or not yet whole: loop_read takes those. At the rates
        of an ingestor, paho's own reading of a PUBLISH costs more than all the rest that is done for a message.
        """
        buffer, start = self._inbox, self._inbox_pos
        whole = len(buffer)
        if start >= whole or self._in_packet["command"] or buffer[start] & 0xF4 != PUBLISH_BELOW_QOS2:
            return None
        length, shift, pos = 0, 0, start + 1
        while True:
            if pos >= whole or shift > 21:
                return None
            digit = buffer[pos]
            pos += 1
            length |= (digit & 0x7F) << shift
            if digit < 0x80:
                break
            shift += 7
        end = pos + length
        topic_end = pos + 2 + int.from_bytes(buffer[pos : pos + 2], "big")
        body = topic_end + 2 if buffer[start] & 0x06 else topic_end
        if end > whole or body >= end or buffer[body] != 0:
            return None
        self._inbox_pos = end
        mid = int.from_bytes(buffer[topic_end:body], "big")
        return buffer[start], buffer[pos + 2 : topic_end], mid, buffer[body + 1 : end]

    def put_puback(self, mid: int) -> None:
        """Queue a PUBACK that says success, which needs neither code nor properties (MQTT 5 3.4.2.1)."""
        self._outbox += _PUBACK(0x40, 2, mid)

    def put_publish(self, topic: bytes, payload: bytes) -> None:
        """Queue a PUBLISH of QoS 0 without properties (MQTT 5 3.3)."""
        length = len(topic) + len(payload) + 3
        outbox = self._outbox
        outbox.append(PUBLISH_BELOW_QOS2)
        while length > 0x7F:
            outbox.append(length & 0x7F | 0x80)
            length >>= 7
        outbox.append(length)
        outbox += len(topic).to_bytes(2, "big")
        outbox += topic
        outbox.append(0)
        outbox += payload

    @property
    def unsent_bytes(self) -> int:
        return len(self._outbox)

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self._outbox += buf
        return len(buf)

    def flush(self) -> bool:
        """Hand the kernel what is gathered; False if it won't take all of it now. Raises OSError."""
        while self._outbox:
            try:
                sent = super()._sock_send(self._outbox)
            except BlockingIOError:
                return False
            del self._outbox[:sent]
        return True

    def _sock_close(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self.flush()
        super()._sock_close()


class _Connection:
    """One TCP connection's life, from CONNECT to its loss; the session makes a new one each time."""

    def __init__(self, address: BrokerAddress, options: SessionOptions, deliver: Callable[[Inbound], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._options = options
        self._deliver = deliver
        self._ignored = None if options.ignored is None else options.ignored.encode()
        self._pending: dict[int, asyncio.Future[None]] = {}
        self._subscribing: dict[int, asyncio.Future[None]] = {}
        self._sock: socket.socket | None = None
        self._write_scheduled = False
        self._writer_added = False
        self.taken_over = False
        self.connected: asyncio.Future[bool] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.client = self._make_client()

    def _make_client(self) -> _Client:
        options, address = self._options, self._address
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.prepare()
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(options.in_flight)
        client.max_queued_messages_set(0)
        if address.username is not None:
            client.username_pw_set(address.username, address.secret())
        if address.tls_ca is not None:
            address.check_ca()
            client.tls_set(ca_certs=str(address.tls_ca))
        if options.will is not None:
            will = options.will
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_register_write = self._on_register_write
        client.on_socket_close = self._on_socket_close
        return client

    async def open(self, *, first: bool) -> bool:
        """Connect; returns whether the broker still had our session. Raises TransientError or RefusedError."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._options.receive_maximum
        properties.SessionExpiryInterval = self._options.session_expiry_s
        clean = self._options.clean_start and (first or self._options.session_expiry_s == 0)

        def connect() -> None:
            self.client.connect(
                self._address.host,
                self._address.port,
                self._options.keepalive_s,
                clean_start=clean,
                properties=properties,
            )

        try:
            # paho resolves names and connects blockingly, so not on the loop's thread; asyncio.timeout and not
            # wait_for, which in Python 3.11 swallows a cancellation that comes as the connect fails
            async with asyncio.timeout(CONNECT_TIMEOUT_S + 5):
                await self._loop.run_in_executor(None, connect)
        except (OSError, TimeoutError) as error:
            raise ConnectionLostError(f"no connection to {self._address.host}:{self._address.port}: {error}") from error
        self._sock = cast("socket.socket", self.client.socket())
        if self._sock is None:
            raise ConnectionLostError("the socket closed while connecting")
        self._loop.add_reader(self._sock, self._on_readable)
        self._schedule_write()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await self.connected

    def send(self, publication: Publication) -> asyncio.Future[None]:
        """Queue a publish; the future resolves at PUBACK (at once for QoS 0)."""
        properties = None
        if any(one is not None for one in (publication.expiry_s, publication.response_topic, publication.correlation)):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if publication.expiry_s is not None:
                properties.MessageExpiryInterval = publication.expiry_s
            if publication.response_topic is not None:
                properties.ResponseTopic = publication.response_topic
            if publication.correlation is not None:
                properties.CorrelationData = publication.correlation
        future: asyncio.Future[None] = self._loop.create_future()
        info = self.client.publish(
            publication.topic, publication.payload, publication.qos, publication.retain, properties
        )
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE) or self.lost.done():
            future.set_exception(ConnectionLostError(f"not sent: {mqtt.error_string(info.rc)}"))
        elif publication.qos == 0:
            future.set_result(None)
        else:
            self._pending[info.mid] = future
        self._schedule_write()
        return future

    def post(self, topic: str, payload: bytes) -> bool:
        """Send at QoS 0, in one go: through paho it costs ten times as much. False if the connection is gone."""
        if self.lost.done() or self._sock is None:
            return False
        self.client.put_publish(topic.encode(), payload)
        self._schedule_write()
        return True

    async def subscribe(self, filters: tuple[tuple[str, int], ...]) -> None:
        """Subscribe and wait for SUBACK. Raises RefusedError if the broker refuses one of the filters."""
        future: asyncio.Future[None] = self._loop.create_future()
        wanted = [
            (name, SubscribeOptions(qos, noLocal=self._options.no_local and not is_shared(name)))
            for name, qos in filters
        ]
        code, mid = self.client.subscribe(wanted)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ConnectionLostError(f"not subscribed: {mqtt.error_string(code)}")
        self._subscribing[mid] = future
        self._schedule_write()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await future

    def ack(self, mid: int, qos: int) -> None:
        if qos == 1 and not self.lost.done():
            self.client.put_puback(mid)
            self._schedule_write()
        elif qos and not self.lost.done():
            self.client.ack(mid, qos)

    def close(self, reason: str) -> None:
        """Forget the socket and fail whatever waits on it."""
        if not self.lost.done():
            self.lost.set_result(reason)
        with contextlib.suppress(Exception):
            self.client._sock_close()  # noqa: SLF001 - no public call closes without a DISCONNECT
        error = ConnectionLostError(reason)
        waiting: list[asyncio.Future[Any]] = [*self._pending.values(), *self._subscribing.values(), self.connected]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()
        self._pending.clear()
        self._subscribing.clear()

    def disconnect(self) -> None:
        """Say goodbye, so that the broker does not publish the last will."""
        self.client.disconnect()
        self._write()
        self.close("disconnected")

    def misc(self) -> None:
        """Keep-alive; call about once a second."""
        if self.client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.close("keep-alive ran out")

    def _on_readable(self) -> None:
        client = self.client
        while True:
            plain = client.take_publish()
            if plain is not None:
                header, topic, mid, payload = plain
                qos = (header & 0x06) >> 1
                if qos or not self._is_ignored(topic):
                    self._deliver(Inbound(_text(topic), payload, bool(header & 0x01), qos, mid, None, None, self))
            else:
                code = client.loop_read()
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self.close(mqtt.error_string(code))
                    return
            # one buffer at a time, so that a flood leaves the loop to others
            if not client.has_input:
                return

    def _on_register_write(self, *_: Any) -> None:
        self._schedule_write()

    def _on_socket_close(self, *_: Any) -> None:
        # paho calls this while the descriptor is still ours; a moment later its number may be another's
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock = None

    def _schedule_write(self) -> None:
        if not self._write_scheduled:
            self._write_scheduled = True
            self._loop.call_soon_threadsafe(self._write)

    def _write(self) -> None:
        self._write_scheduled = False
        if self._sock is None:
            return
        try:
            self.client.loop_write()
            flushed = self.client.flush()
        except OSError as error:
            self.close(f"send failed: {error}")
            return
        if not flushed and not self._writer_added:
            self._writer_added = True
            self._loop.add_writer(self._sock, self._write)
        elif flushed and self._writer_added:
            self._writer_added = False
            self._loop.remove_writer(self._sock)

    def _on_connect(self, _c: Any, _u: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if self.connected.done():
            return
        if reason.is_failure:
            user = self._address.username
            text = (
                f"the broker refuses user {user!r} (client {self._options.client_id!r}): {reason};"
                " check BROKER__USERNAME and BROKER__PASSWORD or BROKER__PASSWORD_FILE"
            )
            error = RefusedError(text, reason.value) if reason.value in REFUSED_FOR_GOOD else TransientError(text)
            self.connected.set_exception(error)
            return
        limit = getattr(properties, "ReceiveMaximum", None)
        if limit is not None:
            self.client.max_inflight_messages_set(min(self._options.in_flight, limit))
        self.connected.set_result(bool(flags.session_present))

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        if not self.lost.done():
            self.taken_over = reason.value == TAKEN_OVER
            # not closed here: paho is still in the middle of its own clean-up
            self._loop.call_soon(self.close, str(reason))

    def _is_ignored(self, topic: bytes) -> bool:
        return self._ignored is not None and topic.endswith(self._ignored)

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        if not message.qos and self._is_ignored(message._topic):  # noqa: SLF001 - as below
            return
        properties = message.properties
        life_s = getattr(properties, "MessageExpiryInterval", None) if properties else None
        self._deliver(
            Inbound(
                _text(message._topic),  # noqa: SLF001 - the property raises on what is no UTF-8
                bytes(message.payload),
                message.retain,
                message.qos,
                message.mid,
                getattr(properties, "ResponseTopic", None) if properties else None,
                getattr(properties, "CorrelationData", None) if properties else None,
                self,
                None if life_s is None else self._loop.time() + life_s,
            )
        )

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _p: Any) -> None:
        future = self._pending.pop(mid, None)
        if future is None or future.done():
            return
        if reason.is_failure:
            future.set_exception(RefusedError(f"publish refused: {reason}", reason.value))
        else:
            future.set_result(None)

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        future = self._subscribing.pop(mid, None)
        if future is None or future.done():
            return
        refused = [reason for reason in reasons if reason.is_failure]
        if refused:
            future.set_exception(RefusedError(f"subscription refused: {refused[0]}", refused[0].value))
        else:
            future.set_result(None)


def _text(topic: bytes) -> str:
    """A topic as text; one that is no UTF-8 is spelled out, and so goes to quarantine like any unknown one."""
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return repr(topic)


class Session:
    """A client's standing with the broker across connections; enter it with `async with`.

    Entering starts the connection task and returns at once; `connected` tells the state, and `receive()` and
    `publish()` wait through outages. A client id that another client takes over is left to it for a growing while
    (`takeovers` counts). Leaving disconnects properly. A refused login (see SessionOptions) is raised by
    whoever waits on the session.
    """

    def __init__(
        self,
        address: BrokerAddress,
        options: SessionOptions,
        *,
        on_connect: Callable[[bool], None] | None = None,
    ) -> None:
        self._address = address
        self._options = options
        self._on_connect = on_connect
        self._subscriptions: dict[str, int] = dict(options.subscriptions)
        self._queue: deque[Inbound] = deque()
        self._arrived = asyncio.Event()
        self._up = asyncio.Event()
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.connections = 0
        self.dropped_qos0 = 0
        self.takeovers = 0
        self.taken_over_at: datetime | None = None
        self.last_error = ""
        self._outage = Outage()

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
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, PermanentError):
                await self._task

    async def wait_connected(self) -> None:
        """Wait until the session is up. Raises RefusedError if the broker refused us for good."""
        await self._or_ended(self._up.wait())

    async def receive(self, most: int = 1) -> list[Inbound]:
        """Wait for at least one message and take up to `most`, in order."""
        while not self._queue:
            self._arrived.clear()
            await self._or_ended(self._arrived.wait())
        queue = self._queue
        return [queue.popleft() for _ in range(min(most, len(queue)))]

    async def messages(self) -> AsyncIterator[Inbound]:
        """Messages one by one, for ever."""
        while True:
            for message in await self.receive():
                yield message

    def send(self, publication: Publication) -> asyncio.Future[None]:
        """Publish on the present connection, in the order of the calls; resolves at PUBACK.

        The future fails with ConnectionLostError when the connection goes first: send it again then. At most
        `in_flight` travel at once, the rest wait inside, so bound your own outstanding futures.
        """
        if self._connection is None or not self._up.is_set():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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

    async def publish(self, publication: Publication, timeout_s: float | None = 30.0) -> None:
        """Publish at least once, through reconnects. Raises TimeoutError, or RefusedError if the broker says no."""
        async with asyncio.timeout(timeout_s):
            while True:
                await self.wait_connected()
                try:
                    await self.send(publication)
                except ConnectionLostError:
                    await asyncio.sleep(0)
                else:
                    return

    async def subscribe(self, *filters: tuple[str, int]) -> None:
        """Add subscriptions that outlive reconnects; waits for SUBACK if connected.

        A broker that does not answer in time is left, and all is subscribed on the next connection.
        """
        self._subscriptions.update(dict(filters))
        connection = self._connection
        if connection is not None and self._up.is_set():
            try:
                await connection.subscribe(filters)
            except ConnectionLostError:
                return
            except TimeoutError:
                connection.close("no SUBACK in time")

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
        yielding = Backoff(TAKEOVER_FIRST_S, TAKEOVER_CAP_S, stable_s=2 * TAKEOVER_CAP_S)
        while True:
            connection = _Connection(self._address, self._options, self._take)
            try:
                await self._connect(connection)
                backoff.succeeded()
                yielding.succeeded()
                self.last_error = await self._watch(connection)
                if connection.taken_over:
                    await self._yield(connection, yielding)
                else:
                    self._failed("broker_connection_lost")
            except RefusedError as error:
                self.last_error = str(error)
                self._failed("broker_refused")
                if self._options.refusal_is_fatal:
                    raise
            except (TransientError, TimeoutError) as error:
                self.last_error = str(error) or "the broker did not answer in time"
                self._failed("broker_unreachable")
            finally:
                self._down(connection)
            await asyncio.sleep(backoff.next_s())

    def _failed(self, event: str) -> None:
        self._outage.failed(event, reason=self.last_error, client_id=self._options.client_id)

    async def _yield(self, connection: _Connection, backoff: Backoff) -> None:
        """Leave the client id to whoever took it for a while: two that take it in turns would do nothing else."""
        self.takeovers += 1
        self.taken_over_at = datetime.now(UTC)
        client_id = self._options.client_id
        self.last_error = f"another client took over the client id {client_id!r}: two may not have the same"
        delay_s = TAKEOVER_FIRST_S / 2 + backoff.next_s()
        log.error("session_taken_over", client_id=client_id, times=self.takeovers, retry_in_s=round(delay_s, 1))
        self._down(connection)
        await asyncio.sleep(delay_s)

    async def _connect(self, connection: _Connection) -> None:
        session_present = await connection.open(first=self.connections == 0)
        self._connection = connection
        standing: dict[str, int] = {}
        # again for those that are added while the broker answers
        while new := tuple(item for item in self._subscriptions.items() if item not in standing.items()):
            await connection.subscribe(new)
            standing.update(new)
        self.connections += 1
        self.last_error = ""
        self._up.set()
        client_id, away = self._options.client_id, self._outage.over()
        log.info("broker_connected", client_id=client_id, session_present=session_present, **away)
        if self._on_connect is not None:
            self._on_connect(session_present)

    async def _watch(self, connection: _Connection) -> str:
        while True:
            done, _ = await asyncio.wait({connection.lost}, timeout=1.0)
            if done:
                return connection.lost.result()
            connection.misc()

    def _down(self, connection: _Connection) -> None:
        self._up.clear()
        if not connection.lost.done() and connection.connected.done() and not connection.connected.cancelled():
            connection.disconnect()
        connection.close(self.last_error or "closed")
        self._connection = None
        # unacknowledged messages come again on the next connection: keeping them would break the bound
        self._queue = deque(message for message in self._queue if message.qos == 0)

    def _take(self, message: Inbound) -> None:
        if message.qos == 0 and len(self._queue) >= self._options.receive_maximum:
            self.dropped_qos0 += 1
            return
        self._queue.append(message)
        self._arrived.set()
