"""The demo's hand on the gateway's HTTP API: what an engineer would do with `wattline config`."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import aiohttp

from broker.errors import PermanentError

HEALTHY_S = 180.0
"""A busy machine takes a minute for a first start: the catalogue is checked and published before it is well."""


class Api:
    """A client of one gateway; enter it with `async with`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.token}"}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def patch(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """PATCH a document. Raises PermanentError with the problem's text if it is refused."""
        return await self._call("PATCH", path, document)

    async def post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """POST a document. Raises PermanentError as `patch`."""
        return await self._call("POST", path, document)

    async def get(self, path: str) -> dict[str, Any]:
        """GET a document."""
        return await self._call("GET", path, None)

    async def wait_healthy(self, check: Callable[[], None]) -> None:
        """Wait until the gateway says that it is well."""
        await self.wait_url_healthy(f"{self.url}/healthz", check)

    @staticmethod
    async def wait_url_healthy(url: str, check: Callable[[], None]) -> None:
        """Wait until a service's /healthz answers 200; `check` raises if its process has ended."""
        last = "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            try:
                async with asyncio.timeout(HEALTHY_S):
                    while True:
                        check()
                        try:
                            async with session.get(url) as answer:
                                last = await answer.text()
                                if answer.ok:
                                    return
                        except (aiohttp.ClientError, TimeoutError) as error:
                            # one answer that takes longer than the session's timeout is no verdict yet
                            last = str(error) or last
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise PermanentError(f"{url} was not well within {HEALTHY_S:.0f} s: {last}") from None

    async def _call(self, method: str, path: str, document: dict[str, Any] | None) -> dict[str, Any]:
        if self._session is None:
            raise PermanentError("the API client is not entered; use async with")
        async with self._session.request(method, f"{self.url}/api/v1{path}", json=document) as answer:
            if not answer.ok:
                raise PermanentError(f"{method} {path}: {answer.status} {await answer.text()}")
            return dict(await answer.json())
