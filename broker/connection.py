"""One connection to the broker: paho driven by the event loop, from CONNECT to the loss of the socket."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, cast

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from broker.errors import ConnectionLostError, RefusedError, TransientError
from broker.mqtt_client import Client
from broker.publication import Inbound, Publication, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import is_shared

CONNECT_TIMEOUT_S = 10.0
REFUSED_FOR_GOOD = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
"""CONNACK codes that waiting won't heal (MQTT 5 3.2.2.2): version, client id, credentials, rights, ban, method."""
TAKEN_OVER = 0x8E
"""The broker's reason when another client came under our client id (MQTT 5 3.14.2.1, 3.1.4)."""


class Connection:
    """One TCP connection's life, from CONNECT to its loss; the session makes a new one each time."""

    def __init__(self, address: BrokerAddress, options: SessionOptions, deliver: Callable[[Inbound], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._options = options
        self._deliver = deliver
        self._ignored = None if options.ignored is None else options.ignored.encode()
        self._pending: dict[int, asyncio.Future[int]] = {}
        self._subscribing: dict[int, asyncio.Future[None]] = {}
        self._sock: socket.socket | None = None
        self._write_scheduled = False
        self._writer_added = False
        self.taken_over = False
        self.connected: asyncio.Future[bool] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.client = self._make_client()

    def _make_client(self) -> Client:
        options, address = self._options, self._address
        client = Client(
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

    def send(self, publication: Publication) -> asyncio.Future[int]:
        """Queue a publish; the future resolves at PUBACK to its reason code (at once to 0 for QoS 0)."""
        properties = None
        if any(one is not None for one in (publication.expiry_s, publication.response_topic, publication.correlation)):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if publication.expiry_s is not None:
                properties.MessageExpiryInterval = publication.expiry_s
            if publication.response_topic is not None:
                properties.ResponseTopic = publication.response_topic
            if publication.correlation is not None:
                properties.CorrelationData = publication.correlation
        future: asyncio.Future[int] = self._loop.create_future()
        info = self.client.publish(
            publication.topic, publication.payload, publication.qos, publication.retain, properties
        )
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE) or self.lost.done():
            future.set_exception(ConnectionLostError(f"not sent: {mqtt.error_string(info.rc)}"))
        elif publication.qos == 0:
            future.set_result(0)
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
        """Acknowledge a received message; nothing happens once the connection is gone."""
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
            future.set_result(reason.value)

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
