"""A serial server on the network, as ser2net is one: pyserial's own side of RFC 2217 before a real pty."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import serial
import serial.rfc2217


class _PtyPort(serial.Serial):  # type: ignore[misc]
    """A pty takes eight bits without parity only; what was asked for is said all the same, as an adapter would.

    It has none of the wires beside those of data.
    """

    cts = dsr = ri = cd = False

    def _reconfigure_port(self, force_update: bool = False) -> None:
        asked = (self._bytesize, self._parity)
        self._bytesize, self._parity = 8, "N"
        try:
            super()._reconfigure_port(force_update)
        finally:
            self._bytesize, self._parity = asked

    def _update_dtr_state(self) -> None:
        """Nothing to set."""

    _update_rts_state = _update_dtr_state


class _Link:
    """What PortManager writes its telnet to."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._sock.sendall(bytes(data))


@contextlib.contextmanager
def serial_server(port: str) -> Iterator[str]:
    """Serves one client after another at a port; gives `rfc2217://host:port`."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    thread = threading.Thread(target=_serve, args=(port, listening, ended), daemon=True)
    thread.start()
    try:
        yield f"rfc2217://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        thread.join(5)
        listening.close()


def _serve(port: str, listening: socket.socket, ended: threading.Event) -> None:
    listening.settimeout(0.1)
    while not ended.is_set():
        # a client that is gone is no end
        with contextlib.suppress(TimeoutError, ConnectionError):
            sock, _ = listening.accept()
            with sock, _PtyPort(port, 115200, timeout=0) as line:
                _bridge(sock, line, ended)


def _bridge(sock: socket.socket, line: Any, ended: threading.Event) -> None:
    manager = serial.rfc2217.PortManager(line, _Link(sock))
    while not ended.is_set():
        ready, _, _ = select.select([sock, line.fileno()], [], [], 0.1)
        if sock in ready:
            data = sock.recv(4096)
            if not data:
                return
            line.write(b"".join(manager.filter(data)))
        if line.fileno() in ready:
            _Link(sock).write(b"".join(manager.escape(line.read(4096))))
