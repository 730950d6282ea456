"""One connection to the broker: paho driven by the event loop, from CONNECT to the loss of the socket."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from broker.contract.topics import is_shared
from broker.errors import ConnectionLostError, RefusedError, TransientError
from broker.mqtt.connack import QOS_NOT_SUPPORTED, Granted, explained, refused
from broker.mqtt.packets import (
    connect_properties,
    packet_bytes,
    publish_bytes,
    publish_properties,
    received,
    subscribe_properties,
    topic_text,
)
from broker.mqtt.paho_client import Client, topic_octets
from broker.mqtt.publication import Inbound, Publication, SessionOptions
from broker.runtime.settings import BrokerAddress

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
BUFFERS_AT_A_STRETCH = 4
"""Buffers of the socket that are read before other tasks get their turn: a quarter of a MiB."""
FLOOD_MESSAGES, FLOOD_BYTES = 64, 32_768
"""So much in `gather_s` is a flood: it comes in lots by itself, and each wait would only make it longer."""
TAKEN_OVER = 0x8E
"""The broker's reason when another client came under our client id (MQTT 5 3.14.2.1, 3.1.4)."""
PARTINGS = frozenset({0x00, 0x8B, 0x8D, 0x98, 0x9C, 0x9D})
"""Reasons of a DISCONNECT after which nothing speaks against coming again soon: normal, shutting down, keep-alive, an
administrator's deed, another server. All others say that what we do is not wanted, or not so much of it."""
PACKET_TOO_LARGE = 0x95
SUBACK_TRANSIENT = frozenset({0x80, 0x83, 0x91, 0x97})
"""Refusals of a subscription without a reason that would hold for good: unspecified, the broker's own, a packet id that
is in use, quota (MQTT 5 3.9.3)."""


class Connection:
    """One TCP connection's life, from CONNECT to its loss; the session makes a new one each time."""

    def __init__(self, address: BrokerAddress, options: SessionOptions, deliver: Callable[[Inbound], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._options = options
        self._deliver = deliver
        self._ignored = None if options.ignored is None else options.ignored.encode()
        self._pending: dict[int, asyncio.Future[int]] = {}
        self._subscribing: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._sock: socket.socket | None = None
        self._write_scheduled = False
        self._writer_added = False
        self._paused = False
        self._next_look: asyncio.TimerHandle | None = None
        self._flood_until_s = 0.0
        self._found_before = (0, 0)
        self._ping_at_s = 0.0
        self._broker = f"{address.host}:{address.port}"
        self.taken_over = False
        self.unwanted = False
        """Whether the broker ended it because of what we did."""
        self.sent = False
        """Whether its CONNECT has left, so that the broker may have its will."""
        self.granted = Granted()
        self.certificate: bytes | None = None
        """What the broker showed (DER), None without TLS."""
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
        if (tls := address.tls()) is not None:
            client.tls_set_context(tls)
        if options.will is not None:
            will = options.will() if callable(options.will) else options.will
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_subscribe
        client.on_socket_register_write = self._on_register_write
        client.on_socket_close = self._on_socket_close
        return client

    async def open(self, *, first: bool) -> bool:
        """Connect; returns whether the broker still had our session. Raises TransientError or RefusedError."""
        clean = self._options.clean_start and (first or self._options.session_expiry_s == 0)

        def connect() -> None:
            self.client.connect(
                self._address.host,
                self._address.port,
                self._options.keepalive_s,
                clean_start=clean,
                properties=connect_properties(self._options),
            )

        # paho resolves names and connects blockingly, so not on the loop's thread
        opening = self._loop.run_in_executor(None, connect)
        try:
            # asyncio.timeout and not wait_for, which in Python 3.11 swallows a cancellation that comes with the result
            async with asyncio.timeout(CONNECT_TIMEOUT_S + 5):
                await asyncio.shield(opening)
        except (OSError, TimeoutError, ValueError) as error:
            # ValueError: a name that can't be asked for, as UnicodeError
            self._address.doubt.heed(error)
            raise ConnectionLostError(f"no connection to {self._broker}: {error or 'no answer in time'}") from error
        finally:
            if not opening.done():
                # nobody waits for it any more, and its socket may connect yet
                self.client.abandon()
                opening.add_done_callback(self._given_up)
        self.sent = True
        self._sock = cast("socket.socket", self.client.socket())
        if self._sock is None:
            raise ConnectionLostError("the socket closed while connecting")
        self.certificate = self.client.certificate
        self._loop.add_reader(self._sock, self._on_readable)
        # the socket does not signal what TLS holds
        self._loop.call_soon(self._on_readable)
        self._schedule_write()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await self.connected

    def _given_up(self, opening: asyncio.Future[None]) -> None:
        if not opening.cancelled():
            opening.exception()
        self.close("given up")

    def send(self, publication: Publication) -> asyncio.Future[int]:
        """Queue a publish; the future resolves at PUBACK to its reason code (at once to 0 for QoS 0).

        One that is larger than the broker takes is never sent: its future fails with RefusedError 0x95 at once.
        """
        properties = publish_properties(publication)
        future: asyncio.Future[int] = self._loop.create_future()
        most = self.granted.packet_bytes
        if most is not None and (size := packet_bytes(publication, properties)) > most:
            reason_text = f"the broker {self._broker} takes packets of {most} bytes at most, and this one has {size}"
            future.set_exception(RefusedError(f"publish refused: {reason_text}", PACKET_TOO_LARGE))
            return future
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
        name, most = topic.encode(), self.granted.packet_bytes
        if most is not None and publish_bytes(len(name), len(payload)) > most:
            return False
        self.client.put_publish(name, payload)
        self._schedule_write()
        return True

    async def subscribe(self, filters: tuple[tuple[str, int], ...]) -> None:
        """Subscribe and wait for SUBACK.

        Raises RefusedError if the broker refuses one of the filters for good or grants it a lower QoS, TransientError
        where it may grant it later.
        """
        if self._options.identified and self.granted.identifiers:
            for one in filters:
                # an identifier is of all filters of one SUBSCRIBE
                await self._subscribe((one,), subscribe_properties(one[0]))
        else:
            await self._subscribe(filters, None)

    async def _subscribe(self, filters: tuple[tuple[str, int], ...], properties: Properties | None) -> None:
        wanted = [
            (name, SubscribeOptions(qos, noLocal=self._options.no_local and not is_shared(name)))
            for name, qos in filters
        ]
        reasons = await self._answer(*self.client.subscribe(wanted, properties=properties))
        for (name, qos), reason in zip(filters, reasons, strict=False):
            reason_text = f"the broker {self._broker} refuses the subscription to {name}: {reason}"
            if reason.value in SUBACK_TRANSIENT:
                raise TransientError(reason_text)
            if reason.is_failure:
                raise RefusedError(
                    f"{reason_text}; see that it lets user {self._address.username!r} read it", reason.value
                )
            if reason.value < qos:
                raise RefusedError(f"{reason_text} in place of QoS {qos}", QOS_NOT_SUPPORTED)

    async def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """Unsubscribe and wait for UNSUBACK, after which the broker adds nothing more; what it had begun to send comes.

        Whether there was such a subscription is no concern.
        """
        await self._answer(*self.client.unsubscribe(list(filters)))

    async def _answer(self, code: MQTTErrorCode, mid: int | None) -> list[ReasonCode]:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ConnectionLostError(f"not subscribed: {mqtt.error_string(code)}")
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._subscribing[mid] = future
        self._schedule_write()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await future

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a received message; nothing happens once the connection is gone."""
        if qos == 1 and not self.lost.done():
            self.client.put_puback(mid)
            self._schedule_write()
        elif qos and not self.lost.done():
            self.client.ack(mid, qos)

    def ack_all(self, mids: list[int]) -> None:
        """Acknowledge received messages of QoS 1, in this order."""
        if not self.lost.done():
            self.client.put_pubacks(mids)
            self._schedule_write()

    def close(self, reason: str) -> None:
        """Forget the socket and fail whatever waits on it."""
        if self.certificate is not None and self._address.tls_certificate is not None and not self.connected.done():
            # TLS 1.3 tells a client that it was refused after its handshake, or its words meet a closed door
            reason += f"; perhaps it does not take our certificate: see when {self._address.tls_certificate} ends"
        if not self.lost.done():
            self.lost.set_result(reason)
        with contextlib.suppress(OSError):
            self.client.hang_up()
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
        if self._paused:
            # what the broker answers is not read either, so paho can't know whether it lives; it shall know that we do
            if self._loop.time() >= self._ping_at_s:
                self._ping_at_s = self._loop.time() + self.client.keepalive / 2
                self.client.put_ping()
                self._schedule_write()
        elif self.client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.close("keep-alive ran out")

    def read_no_more(self) -> None:
        """Leave what the broker sends where it is, until `read_on()`."""
        if not self._paused and self._sock is not None:
            self._paused, self._ping_at_s = True, self._loop.time()
            self._loop.remove_reader(self._sock)

    def read_on(self) -> None:
        """Take up reading again; nothing happens where it was not left."""
        if self._paused:
            self._paused = False
            self.client.believe_alive()
            if self._sock is not None:
                self._loop.add_reader(self._sock, self._on_readable)
                # the socket does not signal what was read and not processed, and what TLS holds
                self._loop.call_soon(self._on_readable)

    def refuse_more(self) -> None:
        """End it because the broker sends more than our receive maximum allows (MQTT 5 3.3.4)."""
        self.client.violation = "PUBLISH beyond the receive maximum"
        self.close(self._broken())

    def _broken(self) -> str:
        return f"the broker {self._broker} sent what MQTT 5 does not allow here: {self.client.violation}"

    def _on_readable(self) -> None:
        if self._paused or self._sock is None:
            return
        try:
            self._read()
        except Exception:
            # what comes out of a loop's callback ends nowhere, and the connection would stand still
            log.exception("connection_failed", client_id=self._options.client_id)
            self.close("reading failed")
        if self.client.owes and not self._writer_added:
            self._schedule_write()
        if self._options.gather_s:
            self._gather()

    def _look(self) -> None:
        self._next_look = None
        self._on_readable()

    def _gather(self) -> None:
        """While some messages come leave them to gather; while none come, or a flood does, be woken by each."""
        if self._paused or self._sock is None or self._next_look is not None:
            return
        now_s = self._loop.time()
        if now_s < self._flood_until_s:
            return
        before, found = self._found_before, (self.client.publishes_taken, self.client.bytes_read)
        self._found_before = found
        if found[0] - before[0] >= FLOOD_MESSAGES or found[1] - before[1] >= FLOOD_BYTES:
            self._flood_until_s = now_s + self._options.gather_s
        elif found != before:
            self._loop.remove_reader(self._sock)
            self._next_look = self._loop.call_later(self._options.gather_s, self._look)
            return
        self._loop.add_reader(self._sock, self._on_readable)

    def _read(self) -> None:
        client = self.client
        enough = client.buffers_read + BUFFERS_AT_A_STRETCH
        while True:
            # else the first packet of each buffer is none to take yet
            client.fill()
            plain = client.take_publish()
            if plain is not None:
                header, topic, mid, payload = plain
                qos = (header & 0x06) >> 1
                if qos or not self._is_ignored(topic):
                    retain, dup = bool(header & 0x01), bool(header & 0x08)
                    self._deliver(Inbound(topic_text(topic), payload, retain, qos, mid, None, None, self, None, dup))
            else:
                code = client.loop_read()
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self.close(self._broken() if client.violation else mqtt.error_string(code))
                    return
            if self._paused or not client.has_input:
                return
            # a packet that is larger than a buffer ends within another one, and so on for as long as there are such:
            # a flood of them would never leave the loop to others
            if client.buffers_read >= enough:
                self._loop.call_soon(self._on_readable)
                return

    def _on_register_write(self, *_: Any) -> None:
        # paho asks for it whenever the kernel takes no more, for which we wait already
        if not self._writer_added:
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
        options = self._options
        if reason.is_failure:
            error = refused(self._broker, self._address.username, options.client_id, reason, properties)
            self.connected.set_exception(error)
            return
        granted = self.granted = Granted.read(properties, session_present=bool(flags.session_present))
        self.client.bind_to(min(options.in_flight, granted.receive_maximum), granted.ping_every_s(options.keepalive_s))
        if unfit := granted.unfit(options, self._broker):
            self.connected.set_exception(unfit)
        else:
            self.connected.set_result(granted.session_present)

    def _on_disconnect(self, _c: Any, _u: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if not self.lost.done():
            self.taken_over = reason.value == TAKEN_OVER
            self.unwanted = flags.is_disconnect_packet_from_server and reason.value not in PARTINGS
            # not closed here: paho is still in the middle of its own clean-up
            self._loop.call_soon(self.close, f"{reason}{explained(properties)}")

    def _is_ignored(self, topic: bytes) -> bool:
        return self._ignored is not None and topic.endswith(self._ignored)

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        if message.qos or not self._is_ignored(topic_octets(message)):
            self._deliver(received(message, self, self._loop.time()))

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        future = self._pending.pop(mid, None)
        if future is None or future.done():
            return
        if reason.is_failure:
            future.set_exception(RefusedError(f"publish refused: {reason}{explained(properties)}", reason.value))
        else:
            future.set_result(reason.value)

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        future = self._subscribing.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(reasons)
