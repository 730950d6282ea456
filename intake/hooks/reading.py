"""Bodies as they come in: bounded in bytes, in time, and in all together."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import Gauge

from intake.hooks.bodies import inflate, too_large
from intake.hooks.refusals import HookRefusal

BESIDE_BYTES: Final = 2**20
"""What may be larger than this without its compression is decompressed beside the loop."""
COMPRESSION_MOST: Final = 1032
"""What deflate makes of a byte at most."""


@dataclass(slots=True)
class Held:
    """Bytes of one post's body that count as being read until it is answered."""

    bytes: int = 0


class Bodies:
    """Reads bodies, which together hold no more than `most_bytes`; each comes within `timeout_s`."""

    def __init__(self, most_bytes: int, timeout_s: float, reading_bytes: Gauge) -> None:
        self._most_bytes = most_bytes
        self._timeout_s = timeout_s
        self._reading = 0
        reading_bytes.set_function(lambda: float(self._reading))

    def let_go(self, held: Held) -> None:
        """A post is answered: its body counts no more."""
        self._reading -= held.bytes

    async def read(self, request: web.BaseRequest, limit: int, held: Held) -> bytes:
        """The body as it was sent, which counts as held. Raises HookRefusal beyond the limit, the room, or the time."""
        content = request.content
        if content.is_eof():
            # it came with its head, as small ones do
            body = content.read_nowait()
            if len(body) > limit:
                raise too_large(limit)
            return body
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            # only now: what is refused by its head is never sent
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                while not content.at_eof():
                    parts.append(await content.readany())
                    self._hold(len(parts[-1]), limit, held)
        except TimeoutError:
            detail = f"the body did not come within {self._timeout_s:g} s"
            raise HookRefusal(408, "slow", detail, "body", "send it again") from None
        return b"".join(parts)

    def _hold(self, size: int, limit: int, held: Held) -> None:
        self._reading += size
        held.bytes += size
        if held.bytes > limit:
            raise too_large(limit)
        if self._reading > self._most_bytes:
            raise HookRefusal(429, "full", "too many bodies are being read already", "request", "send again later", 1)


async def inflated(sent: bytes, encoding: str, limit: int) -> bytes:
    """A body without its compression. Raises HookRefusal."""
    if encoding in ("", "identity") or min(limit, COMPRESSION_MOST * len(sent)) <= BESIDE_BYTES:
        return inflate(sent, encoding, limit)
    return await asyncio.to_thread(inflate, sent, encoding, limit)
