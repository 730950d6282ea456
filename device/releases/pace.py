"""HTTP for what comes from strangers: an answer that trickles is no answer, however often a byte of it comes."""

import http.client
import io
import time
import urllib.request
from socket import socket
from ssl import SSLContext
from typing import Any, Final

TIMEOUT_S: Final = 30.0
"""So long nothing at all may come."""
WINDOW_S: float = 60.0
LEAST_BYTES_S: Final = 1024
"""What must come in each window, on average: a fifth of what the slowest mobile networks carry."""


class TooSlowError(OSError):
    """The other side keeps the connection, and gives too little over it."""


def open_url(request: str | urllib.request.Request, context: SSLContext | None) -> http.client.HTTPResponse:
    """Ask; also the head of the answer must come apace. Raises OSError and http.client.HTTPException."""
    opener = urllib.request.build_opener(_Http, _Https(context=context))
    answer: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    return answer


class _Paced(io.RawIOBase):
    """What a socket gives, while it gives enough; only the time of waiting for it counts."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._waited_s = 0.0
        self._came = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        began_s = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited_s += time.monotonic() - began_s
        self._came += count or 0
        if self._waited_s >= WINDOW_S:
            if count and self._came < LEAST_BYTES_S * WINDOW_S:
                raise TooSlowError(f"only {self._came} bytes came within {self._waited_s:.0f} s")
            self._waited_s, self._came = 0.0, 0
        return int(count) if count is not None else None

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket, *words: Any, **more: Any) -> None:
        super().__init__(sock, *words, **more)
        self.fp = io.BufferedReader(_Paced(self.fp.detach()))


class _PlainConnection(http.client.HTTPConnection):
    response_class = _Response


class _TlsConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PlainConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req, context=self._context)  # type: ignore[attr-defined]
