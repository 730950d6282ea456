"""Quarantine over the HTTP API, from the command line's side."""

from typing import Any

from cli.client.http import ConfigClient


class QuarantineClient(ConfigClient):
    """Reads quarantine at one gateway and has it retried; enter it with `async with`."""

    async def newest(self, limit: int, **query: str | None) -> list[dict[str, Any]]:
        """The newest payloads."""
        page = await self._call("GET", self._at("quarantine").with_query(_given(query) | {"limit": str(limit)}))
        found: list[dict[str, Any]] = page["items"]
        return found

    async def one(self, number: int) -> dict[str, Any]:
        """One payload with its bytes."""
        return await self._call("GET", self._at("quarantine", number))

    async def retry(self, **query: str | None) -> dict[str, Any]:
        """Queue a retry; the job."""
        return await self._call("POST", self._at("quarantine", verb="retry").with_query(_given(query)))


def _given(query: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}
