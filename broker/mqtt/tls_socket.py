"""TLS on a socket for a client that reads many small records: one system call takes all that is there.

The ssl module's own socket takes two for each record, its head and its body, and a broker makes a record of each
packet. Here records are read from memory (`ssl.MemoryBIO`); OpenSSL does all the rest as ever.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final, cast

RAW_BYTES: Final = 65536
"""Most that one system call takes from the socket."""
WRITE_BYTES: Final = 65536
"""Most that is made into records at once: so much waits here at most where the kernel takes no more."""


class TlsSocket:
    """A client's end of TLS, with those of a socket's methods that paho uses; after the handshake it never blocks."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Nothing is sent yet. Raises ssl.SSLError or ValueError where `host` can't be asked for."""
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._plain = bytearray(RAW_BYTES)
        self._unsent = bytearray()
        self._ended = False
        self._failure: ssl.SSLError | None = None
        self.has_more = False
        """Whether a read left something that the socket's readiness does not show."""

    def do_handshake(self, timeout_s: float) -> None:
        """Agree with the server, blocking, within this time. Raises OSError, of which ssl.SSLError is a kind."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_by(until_s)
                self._feed(self._received_by(until_s))
            except ssl.SSLError:
                # so that the other side logs why, too
                with contextlib.suppress(OSError):
                    self._send_by(until_s)
                raise
            else:
                self._send_by(until_s)
                # a server may have said more with its last word
                self.has_more = self._incoming.pending > 0
                return

    def recv(self, most: int) -> bytes:
        """What is there, up to `most` bytes; empty at the end. Raises BlockingIOError where nothing is, OSError.

        An end or a failure comes after all that came before it, and again at each further read.
        """
        if not self._is_over and not self.has_more:
            self._feed(self._raw.recv(RAW_BYTES))
        size = self._decrypt(memoryview(self._plain)[:most])
        with contextlib.suppress(OSError):
            # an alert, or an answer of the handshake's
            self.drain()
        if size:
            return bytes(self._plain[:size])
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return b""
        raise BlockingIOError

    @property
    def _is_over(self) -> bool:
        return self._ended or self._failure is not None

    def _decrypt(self, room: memoryview) -> int:
        """Fill this with what records hold, as far as it goes; how much that is."""
        size = 0
        # full, or with an end that is still to be told
        self.has_more = True
        try:
            while size < len(room) and not self._is_over:
                # given a buffer it returns how much of that it has filled
                found = cast("int", self._tls.read(len(room) - size, room[size:]))
                size, self._ended = size + found, not found
        except ssl.SSLWantReadError:
            self.has_more = False
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self._ended = True
        except ssl.SSLError as error:
            self._failure = error
        return size

    def send(self, data: bytes | bytearray) -> int:
        """Take some of this to be sent; how many bytes. Raises BlockingIOError while earlier ones wait, OSError."""
        self.drain()
        taken = self._tls.write(data[:WRITE_BYTES])
        with contextlib.suppress(BlockingIOError):
            self.drain()
        return taken

    def drain(self) -> None:
        """Hand the kernel all that was taken. Raises BlockingIOError where it won't have it now, OSError."""
        if self._outgoing.pending:
            self._unsent += self._outgoing.read()
        while self._unsent:
            del self._unsent[: self._raw.send(self._unsent)]

    @property
    def unsent_bytes(self) -> int:
        """What was taken and is not with the kernel."""
        return len(self._unsent) + self._outgoing.pending

    def certificate(self) -> bytes | None:
        """What the server showed (DER)."""
        return self._tls.getpeercert(binary_form=True)

    def setblocking(self, blocking: bool) -> None:
        """As of a socket."""
        self._raw.setblocking(blocking)

    def fileno(self) -> int:
        """As of a socket."""
        return self._raw.fileno()

    def close(self) -> None:
        """As of a socket: the other side is told nothing."""
        self._raw.close()

    def _feed(self, found: bytes) -> None:
        if found:
            self._incoming.write(found)
        else:
            self._incoming.write_eof()

    def _received_by(self, until_s: float) -> bytes:
        with self._within(until_s):
            return self._raw.recv(RAW_BYTES)

    def _send_by(self, until_s: float) -> None:
        if self._outgoing.pending:
            with self._within(until_s):
                self._raw.sendall(self._outgoing.read())

    @contextlib.contextmanager
    def _within(self, until_s: float) -> Iterator[None]:
        # none left would mean: without blocking
        self._raw.settimeout(max(0.001, until_s - time.monotonic()))
        try:
            yield
        except TimeoutError as error:
            raise TimeoutError("the TLS handshake did not end in time") from error
