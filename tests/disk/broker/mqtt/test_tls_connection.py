"""A connection over TLS to a server of the ssl module's that keeps TCP open: how an end is heard, and what waits."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker.errors import ConnectionLostError
from broker.mqtt.connection import Connection
from broker.mqtt.publication import Inbound, SessionOptions
from broker.runtime.settings import BrokerAddress
from tests.rigs.self_signed import made
from tests.rigs.waiting import until

DEADLINE_S = 10.0
CONNACK = b"\x20\x03\x00\x00\x00"
PUBLISH = b"\x30\x08\x00\x04room\x00!"
QUOTA_EXCEEDED = b"\xe0\x01\x97"
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@dataclass
class Server:
    """Serves one connection in a thread; `over` is set when the test is done with it."""

    folder: Path
    version: ssl.TLSVersion | None = None
    over: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    received: int = 0

    def __post_init__(self) -> None:
        self.files = made(self.folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.files.certificate, self.files.key)
        if self.version is not None:
            self.context.maximum_version = self.version

    @contextlib.contextmanager
    def serving(self, do: Callable[["Server", socket.socket], None], *, tls: bool = True) -> Iterator[BrokerAddress]:
        """The address at which a client is served like this."""
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def run() -> None:
                raw, _ = listener.accept()
                raw.settimeout(DEADLINE_S)
                try:
                    with raw:
                        do(self, raw)
                except BaseException as error:  # noqa: BLE001 - the test's own thread tells it
                    self.failures.append(error)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            ca = self.files.certificate if tls else None
            yield BrokerAddress(host="localhost", port=listener.getsockname()[1], tls_ca=ca)
            self.over.set()
            thread.join(DEADLINE_S)
        assert not thread.is_alive()
        assert not self.failures, self.failures

    def taken_in(self, raw: socket.socket) -> ssl.SSLSocket:
        """The client after its CONNECT."""
        tls = self.context.wrap_socket(raw, server_side=True)
        assert tls.recv(65536)[0] == 0x10
        tls.sendall(CONNACK)
        return tls


def farewell(tls: ssl.SSLSocket) -> None:
    """Say close_notify, and don't wait for the answer; the client may have hung up at once."""
    tls.setblocking(False)
    with contextlib.suppress(OSError):
        tls.unwrap()


def last_words(tls: ssl.SSLSocket) -> None:
    """A message and the farewell in one segment."""
    tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    tls.sendall(PUBLISH)
    farewell(tls)
    with contextlib.suppress(OSError):
        tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def no_record(tls: ssl.SSLSocket) -> None:
    """What somebody on the way has put in."""
    socket.socket.sendall(tls, b"\x17\x03\x03\x00\x40" + b"?" * 64)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("end", "messages"), [(farewell, 0), (last_words, 1), (no_record, 0)])
async def test_an_end_that_only_tls_tells_is_heard_at_once(
    tmp_path: Path, version: ssl.TLSVersion, end: Callable[[ssl.SSLSocket], None], messages: int
) -> None:
    """TCP stays open, as a server's does that waits for the answer to its farewell."""
    ended = threading.Event()

    def serve(server: Server, raw: socket.socket) -> None:
        with server.taken_in(raw) as tls:
            assert ended.wait(DEADLINE_S)
            end(tls)
            assert server.over.wait(DEADLINE_S)

    got: list[Inbound] = []
    with Server(tmp_path, version).serving(serve) as address:
        connection = Connection(address, SessionOptions("pi"), got.append)
        await connection.open(first=True)
        ended.set()
        async with asyncio.timeout(DEADLINE_S / 2):
            await connection.lost
        connection.close("the test ends")
    assert [one.topic for one in got] == ["room"] * messages


async def test_what_comes_with_the_last_word_of_the_handshake_is_read(tmp_path: Path) -> None:
    """The socket is empty by then: nothing would wake us."""

    def serve(server: Server, raw: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
            else:
                break
        tls.write(QUOTA_EXCEEDED)
        raw.sendall(outgoing.read())
        assert server.over.wait(DEADLINE_S)

    with Server(tmp_path, ssl.TLSVersion.TLSv1_2).serving(serve) as address:
        connection = Connection(address, SessionOptions("pi"), lambda _: None)
        async with asyncio.timeout(DEADLINE_S / 2):
            with pytest.raises(ConnectionLostError, match="Quota exceeded"):
                await connection.open(first=True)
        connection.close("the test ends")


@pytest.mark.parametrize("tls", [True, False])
async def test_a_broker_that_does_not_read_costs_nothing_and_gets_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    """What waits is written when the kernel takes more, and not tried for ever meanwhile."""
    read_on = threading.Event()
    payload, posts = b"x" * 100_000, 300

    def serve(server: Server, raw: socket.socket) -> None:
        with server.context.wrap_socket(raw, server_side=True) if tls else raw as client:
            assert client.recv(65536)[0] == 0x10
            client.sendall(CONNACK)
            assert read_on.wait(DEADLINE_S)
            while server.received < posts * len(payload):
                server.received += len(client.recv(65536))

    server = Server(tmp_path)
    with server.serving(serve, tls=tls) as address:
        connection = Connection(address, SessionOptions("pi"), lambda _: None)
        await connection.open(first=True)
        for _ in range(posts):
            assert connection.post("room", payload)
        await until(lambda: 0 < connection.client.unsent_bytes < posts * len(payload), "the kernel takes no more")
        tries = 0
        flush = connection.client.flush

        def counted() -> bool:
            nonlocal tries
            tries += 1
            return flush()

        monkeypatch.setattr(connection.client, "flush", counted)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert tries < 10, "of a thousand turns of the loop"
        read_on.set()
        await until(lambda: not connection.client.unsent_bytes, "all is out")
        connection.close("the test ends")
    assert server.received >= posts * len(payload)
