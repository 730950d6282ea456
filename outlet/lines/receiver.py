"""The HTTP endpoint that takes lines: what its answers mean."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Final

import aiohttp

from broker.errors import TransientError, WattlineError
from broker.retry_after import retry_after_s

TIMEOUT_S: Final = 30.0
WAIT_MAX_S: Final = 300.0
"""The longest that a Retry-After is obeyed."""
_BAD_LINES: Final = frozenset({400, 413, 422})
"""Something of what was sent is not taken, ever: InfluxDB names a line that it can't parse, or a field's type."""
_SAID: Final = 300
_DROPPED: Final = re.compile(r"partial write: .*dropped=([0-9]{1,9})\b")
"""InfluxDB 1 and 2 (`tsdb.PartialWriteError`): so many of the points are refused for good, all others are stored."""


class BadLinesError(WattlineError):
    """Some of the lines are refused for good; the rest of them may be stored. `dropped` are known to be refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        found = _DROPPED.search(reason)
        self.dropped = int(found[1]) if found else 0


class NotTakenError(TransientError):
    """Nobody takes lines just now: away, overloaded, or a token or address that somebody must mend."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Receiver:
    """Posts lines to one address."""

    def __init__(self, http: aiohttp.ClientSession, url: str, authorization: str | None) -> None:
        self._http = http
        self._url = url
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if authorization:
            self._headers["Authorization"] = authorization

    async def post(self, lines: list[str]) -> None:
        """Have lines taken. Raises BadLinesError, or NotTakenError where they are to be sent again."""
        body = "\n".join(lines).encode()
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._http.post(self._url, data=body, headers=self._headers, allow_redirects=False) as answer,
            ):
                if answer.status < 300:
                    return
                said = (await answer.content.read(_SAID)).decode("utf-8", "replace")
                reason = f"HTTP {answer.status}: {said}".strip()
                if answer.status in _BAD_LINES:
                    raise BadLinesError(reason)
                asked_s = retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC), WAIT_MAX_S)
                raise NotTakenError(reason, asked_s or 0.0)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotTakenError(str(error) or type(error).__name__) from error
