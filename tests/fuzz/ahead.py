"""What is gathered and not yet sent, as the agent finds it at its start, and requests to its health server."""

import shutil
from http import HTTPStatus

from broker.contract.messages import Clock, FrameReason
from device.health_server import Answer, HealthServer
from device.outbox.gathered import FramesOf, GatheredFrame
from device.outbox.write_ahead import WriteAhead
from tests.fuzz.files import LIMIT_BYTES, place
from tests.fuzz.registry import Try, target
from tests.fuzz.wires import NOW

FRAME = GatheredFrame(FramesOf(FrameReason.REQUESTED, "p", "p1", "TST:1", Clock.SYNCED), NOW, b"x")


def _write_ahead_files() -> dict[str, bytes]:
    folder = place()
    try:
        kept = WriteAhead(folder, limit_bytes=LIMIT_BYTES)
        kept.open()
        for _ in range(4):
            kept.keep(FRAME)
        kept.close()
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    finally:
        shutil.rmtree(folder)


@target(
    "write-ahead",
    lambda: tuple(f"{name}\n".encode() + data for name, data in _write_ahead_files().items()),
    share=2,
)
def _write_ahead() -> Try:
    names, folder = sorted(_write_ahead_files()), place()

    def attempt(data: bytes) -> None:
        name, _, octets = data.partition(b"\n")
        for one in names:
            (folder / one).write_bytes(octets if one.encode() == name else b"")
        kept = WriteAhead(folder, limit_bytes=LIMIT_BYTES)
        kept.open()
        kept.take_left()
        kept.keep(FRAME)
        kept.close()
        again = WriteAhead(folder, limit_bytes=LIMIT_BYTES)
        again.open()
        assert FRAME in again.take_left()
        again.close()

    return attempt


@target(
    "agent-http", lambda: (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD /healthz?x=1 HTTP/1.0\r\n\r\n"), share=20
)
def _http() -> Try:
    server = HealthServer({"/healthz": lambda: Answer(HTTPStatus.OK, b"{}")})

    def attempt(head: bytes) -> None:
        server.answer(head).octets(with_body=False)

    return attempt
