"""Records of TLS, many at once: against the ssl module's own server, which has none of our code."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.mqtt.tls_socket import RAW_BYTES, TlsSocket
from tests.rigs.self_signed import made

DEADLINE_S = 10.0
PACKET = b"a packet of an ordinary size, in a record of its own; " * 4
RECORDS = 60
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@dataclass
class Peers:
    """Contexts of both sides."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    """A server that the client trusts."""
    files = made(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    return Peers(server, ssl.create_default_context(cafile=str(files.certificate)))


@contextlib.contextmanager
def served(do: Callable[[socket.socket], None]) -> Iterator[socket.socket]:
    """The client's end of a connection, at whose other end a thread does this; that must have ended well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), DEADLINE_S)
        theirs, _ = listener.accept()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            theirs.settimeout(DEADLINE_S)
            do(theirs)
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells it
            failures.append(error)
        finally:
            theirs.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with ours:
        yield ours
        thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert not failures, failures


def opened(raw: socket.socket, context: ssl.SSLContext, host: str = "localhost") -> TlsSocket:
    found = TlsSocket(raw, context, host)
    found.do_handshake(DEADLINE_S)
    found.setblocking(False)
    return found


def read(tls: TlsSocket, size: int, most: int = RAW_BYTES) -> list[bytes]:
    """All reads that brought something, until they are so many bytes or the end."""
    found: list[bytes] = []
    until_s = time.monotonic() + DEADLINE_S
    while sum(map(len, found)) < size and time.monotonic() < until_s:
        try:
            got = tls.recv(most)
        except BlockingIOError:
            time.sleep(0.001)
            continue
        if not got:
            break
        found.append(got)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_many_records_are_one_read_and_none_is_lost(peers: Peers, version: ssl.TLSVersion) -> None:
    """What the server sent in a record each comes together, in its order, and a large one in parts."""
    peers.server.maximum_version = version
    large, ready = bytes(range(256)) * 2048, threading.Event()

    def serve(raw: socket.socket) -> None:
        with peers.server.wrap_socket(raw, server_side=True) as tls:
            for _ in range(RECORDS):
                tls.sendall(PACKET)
            ready.set()
            tls.sendall(large)
            # nothing more is there to come, and no end either
            assert tls.recv(1) == b"x"

    with served(serve) as raw:
        tls = opened(raw, peers.client)
        assert ready.wait(DEADLINE_S)
        found = read(tls, RECORDS * len(PACKET) + len(large))
        assert b"".join(found) == PACKET * RECORDS + large
        assert len(found[0]) >= RECORDS * len(PACKET), "many records in one read"
        with pytest.raises(BlockingIOError):
            tls.recv(RAW_BYTES)
        assert not tls.has_more
        assert tls.send(b"x") == 1


def test_what_a_read_had_no_room_for_is_told_and_comes_next(peers: Peers) -> None:
    """The socket has been emptied by then: its readiness would not show it."""
    sent = threading.Event()

    def serve(raw: socket.socket) -> None:
        with peers.server.wrap_socket(raw, server_side=True) as tls:
            tls.sendall(PACKET * 10)
            sent.set()
            assert tls.recv(1) == b"x"

    with served(serve) as raw:
        tls = opened(raw, peers.client)
        assert sent.wait(DEADLINE_S)
        (first,) = read(tls, len(PACKET), most=len(PACKET))
        assert (first, tls.has_more) == (PACKET, True)
        assert tls.recv(RAW_BYTES) == PACKET * 9
        assert not tls.has_more
        tls.send(b"x")


def test_what_the_kernel_will_not_have_waits_bounded_and_goes_whole(peers: Peers) -> None:
    """A server that reads nothing for a while: no more is taken, and nothing is lost or sent twice."""
    read_on = threading.Event()
    received = bytearray()
    message = b"".join(b"%07d " % number for number in range(200_000))

    def serve(raw: socket.socket) -> None:
        with peers.server.wrap_socket(raw, server_side=True) as tls:
            assert read_on.wait(DEADLINE_S)
            while len(received) < len(message):
                received.extend(tls.recv(65536))

    with served(serve) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RAW_BYTES)
        tls = opened(raw, peers.client)
        left = bytearray(message)
        until_s = time.monotonic() + DEADLINE_S
        while left and time.monotonic() < until_s:
            try:
                del left[: tls.send(left)]
            except BlockingIOError:
                assert 0 < tls.unsent_bytes < 2 * RAW_BYTES
                read_on.set()
                time.sleep(0.001)
        while tls.unsent_bytes and time.monotonic() < until_s:
            with contextlib.suppress(BlockingIOError):
                tls.drain()
        assert read_on.is_set(), "the kernel never refused anything"
    assert bytes(received) == message


@pytest.mark.parametrize("farewell", [True, False])
def test_the_end_comes_after_all_that_came_before_it(peers: Peers, *, farewell: bool) -> None:
    """Said by TLS, or the connection just ends."""

    def serve(raw: socket.socket) -> None:
        tls = peers.server.wrap_socket(raw, server_side=True)
        tls.sendall(PACKET)
        if farewell:
            # it is not waited for ours
            tls.setblocking(False)
            with contextlib.suppress(OSError):
                tls.unwrap()
        tls.close()

    with served(serve) as raw:
        tls = opened(raw, peers.client)
        assert b"".join(read(tls, 2 * len(PACKET))) == PACKET
        assert tls.recv(RAW_BYTES) == b""
        tls.close()


def test_what_is_no_record_fails_after_what_came_before_it(peers: Peers) -> None:
    """As somebody on the way would do it: nothing of it is taken for the server's."""

    def serve(raw: socket.socket) -> None:
        tls = peers.server.wrap_socket(raw, server_side=True)
        tls.sendall(PACKET)
        with socket.socket(fileno=tls.detach()) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x40" + b"?" * 64)

    with served(serve) as raw:
        tls = opened(raw, peers.client)
        assert b"".join(read(tls, len(PACKET))) == PACKET
        for _ in range(2):
            with pytest.raises(ssl.SSLError, match=r"BAD_RECORD_MAC|DECRYPTION_FAILED"):
                read(tls, 1)


def test_a_server_that_is_not_trusted_is_told_so(peers: Peers, tmp_path: Path) -> None:
    """By name, and by an alert that its own log shows."""
    other = made(tmp_path, "other")
    alerts: list[str] = []

    def serve(raw: socket.socket) -> None:
        try:
            peers.server.wrap_socket(raw, server_side=True)
        except ssl.SSLError as error:
            alerts.append(str(error.reason))

    with served(serve) as raw, pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        opened(raw, ssl.create_default_context(cafile=str(other.certificate)))
    assert alerts == ["TLSV1_ALERT_UNKNOWN_CA"]
    with served(serve) as raw, pytest.raises(ssl.SSLCertVerificationError, match=r"wattline\.example"):
        opened(raw, peers.client, "wattline.example.org")


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_speaks_no_tls_is_an_error(peers: Peers, words: bytes) -> None:
    """It hangs up, or answers in another protocol."""

    def serve(raw: socket.socket) -> None:
        raw.recv(RAW_BYTES)
        raw.sendall(words)

    with served(serve) as raw, pytest.raises(ssl.SSLError, match=r"EOF|WRONG_VERSION_NUMBER"):
        opened(raw, peers.client)


def test_a_server_that_never_answers_has_the_time_that_it_is_given(peers: Peers) -> None:
    """Also if a byte comes now and then: the time is that of the whole handshake."""
    over = threading.Event()

    def drip(raw: socket.socket) -> None:
        raw.sendall(b"\x16\x03\x03\x40\x00")
        while not over.wait(0.02):
            with contextlib.suppress(OSError):
                raw.sendall(b"\x02")

    with served(drip) as raw:
        tls = TlsSocket(raw, peers.client, "localhost")
        with pytest.raises(TimeoutError, match="the TLS handshake did not end in time"):
            tls.do_handshake(0.2)
        over.set()
