"""Paho's MQTT client with whole packets in place of bytes: one system call reads, or writes, many of them."""

import contextlib
import socket
import time
from struct import Struct
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt import MQTTException
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes

from broker.mqtt.tls_socket import TlsSocket

RECEIVE_CHUNK_BYTES = 65536
_PUBACK = Struct(">BBH").pack
PUBLISH_BELOW_QOS2 = 0x30
"""The header byte of a PUBLISH of QoS 0 or 1, its flags for DUP, QoS 1 and RETAIN masked out (MQTT 5 3.3.1)."""
_PROTOCOL_ERROR: Final = b"\xe0\x01\x82"
"""A DISCONNECT that says so (MQTT 5 3.14.2.1)."""


class Client(mqtt.Client):
    """Paho with one system call for many packets; by itself it reads byte by byte and sends each ack alone."""

    _inbox = b""
    _inbox_pos = 0
    _outbox = bytearray()
    _opening: socket.socket | None = None
    _abandoned = False
    buffers_read = 0
    """How often bytes were taken from the socket."""
    bytes_read = 0
    publishes_taken = 0
    violation = ""
    """Which packet was not what MQTT 5 allows, where one was."""

    def prepare(self) -> None:
        """Give this client a buffer of its own; call it once."""
        self._outbox = bytearray()

    def bind_to(self, in_flight: int, keepalive_s: int) -> None:
        """Keep to what a CONNACK says; paho has no public call for it on an open connection. Nothing is sent yet."""
        self._max_inflight_messages = in_flight
        self._keepalive = keepalive_s

    def hang_up(self) -> None:
        """Close the socket without a DISCONNECT, for which paho has no public call."""
        self._sock_close()

    def abandon(self) -> None:
        """Give up a connect() that goes on in another thread: its socket is closed, now or as soon as there is one."""
        self._abandoned = True
        if self._opening is not None:
            # the thread may be done with it in this moment
            with contextlib.suppress(OSError):
                self._opening.shutdown(socket.SHUT_RDWR)

    def _create_socket_connection(self) -> socket.socket:
        self._opening = super()._create_socket_connection()
        if self._abandoned:
            self._opening.close()
            raise ConnectionAbortedError("given up")
        return self._opening

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> TlsSocket:  # type: ignore[override]
        if self._ssl_context is None:
            raise ValueError("no TLS context is set")
        try:
            wrapped = TlsSocket(tcp_sock, self._ssl_context, self._host)
            wrapped.do_handshake(self.connect_timeout)
        except BaseException:
            # paho's own way leaves it to the garbage collector
            tcp_sock.close()
            raise
        return wrapped

    @property
    def certificate(self) -> bytes | None:
        """What the broker showed (DER), None without TLS."""
        return self._sock.certificate() if isinstance(self._sock, TlsSocket) else None

    @property
    def has_input(self) -> bool:
        """Whether bytes wait that the socket's readiness would not show."""
        return self._inbox_pos < len(self._inbox) or (isinstance(self._sock, TlsSocket) and self._sock.has_more)

    @property
    def owes(self) -> bool:
        """Whether TLS has something to send that only a read has brought up."""
        return isinstance(self._sock, TlsSocket) and self._sock.unsent_bytes > 0

    def _sock_recv(self, bufsize: int) -> bytes:
        pos = self._inbox_pos
        if pos >= len(self._inbox):
            self._inbox = super()._sock_recv(RECEIVE_CHUNK_BYTES)
            self.buffers_read += 1
            self.bytes_read += len(self._inbox)
            pos = 0
        chunk = self._inbox[pos : pos + bufsize]
        self._inbox_pos = pos + len(chunk)
        return chunk

    def fill(self) -> None:
        """Read what is there, if all before it was taken; what is wrong with the socket is left to loop_read."""
        if self._inbox_pos < len(self._inbox):
            return
        with contextlib.suppress(OSError):
            if found := super()._sock_recv(RECEIVE_CHUNK_BYTES):
                self._inbox, self._inbox_pos = found, 0
                self._last_bytes_received = time.monotonic()
                self.buffers_read += 1
                self.bytes_read += len(found)

    def _packet_handle(self) -> MQTTErrorCode:
        kind = self._in_packet["command"] & 0xF0
        try:
            code = super()._packet_handle()
        except MQTTException:
            self._violated(kind)
            raise
        # a CONNACK that refuses us is an error to paho
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL and kind >> 4 != PacketTypes.CONNACK:
            self._violated(kind)
        return code

    def _violated(self, kind: int) -> None:
        self.violation = PacketTypes.Names[kind >> 4]
        self._outbox += _PROTOCOL_ERROR

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
        self.publishes_taken += 1
        mid = int.from_bytes(buffer[topic_end:body], "big")
        return buffer[start], buffer[pos + 2 : topic_end], mid, buffer[body + 1 : end]

    def put_puback(self, mid: int) -> None:
        """Queue a PUBACK that says success, which needs neither code nor properties (MQTT 5 3.4.2.1)."""
        self._outbox += _PUBACK(0x40, 2, mid)

    def put_pubacks(self, mids: list[int]) -> None:
        """The same for many."""
        self._outbox += b"".join([_PUBACK(0x40, 2, mid) for mid in mids])

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

    def put_ping(self) -> None:
        """Queue a PINGREQ (MQTT 5 3.12)."""
        self._outbox += b"\xc0\x00"

    def believe_alive(self) -> None:
        """Begin to wait for the broker's answers anew, after a time in which none was read."""
        self._ping_t = 0.0
        self._last_bytes_received = time.monotonic()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._outbox) + (self._sock.unsent_bytes if isinstance(self._sock, TlsSocket) else 0)

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self._outbox += buf
        return len(buf)

    def flush(self) -> bool:
        """Hand the kernel what is gathered; False if it won't take all of it now. Raises OSError."""
        try:
            while self._outbox:
                del self._outbox[: super()._sock_send(self._outbox)]
            if isinstance(self._sock, TlsSocket):
                self._sock.drain()
        except BlockingIOError:
            return False
        return True

    def _sock_close(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self.flush()
        super()._sock_close()


def topic_octets(message: mqtt.MQTTMessage) -> bytes:
    """A received message's topic as it came; paho's own property raises on what is no UTF-8."""
    return message._topic  # noqa: SLF001
