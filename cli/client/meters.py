"""Whose meters are, over the HTTP API, from the command line's side."""

from typing import Any

from cli.client.http import ConfigClient


class MeterClient(ConfigClient):
    """Asks one gateway who claims which meter, and decides; enter it with `async with`."""

    async def meters(self, device: str | None, *, removed: bool) -> list[dict[str, Any]]:
        """All meters by key, or those of a device, over all pages."""
        found: list[dict[str, Any]] = []
        query = _given({"device": device, "removed": "true" if removed else None, "limit": "1000"})
        while True:
            page = await self._call("GET", self._at("meters").with_query(query))
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    async def claims(self, **query: str | None) -> list[dict[str, Any]]:
        """The newest claims."""
        answer = await self._call("GET", self._at("meter-claims").with_query(_given(query)))
        found: list[dict[str, Any]] = answer["items"]
        return found

    async def decide(self, meter: str, verb: str, **query: str | None) -> dict[str, Any]:
        """Move a meter (`move`), or refuse its claim (`refuse`); what was decided."""
        return await self._call("POST", self._at("meters", meter, verb).with_query(_given(query)))

    async def keys(self) -> dict[str, Any]:
        """Which meters have keys (`items`), and which want one (`wanted`)."""
        return await self._call("GET", self._at("meter-keys"))

    async def set_key(self, meter: str, author: str, values: dict[str, str]) -> dict[str, Any]:
        """Set a meter's keys, in the place of all before; what may be told of them."""
        return await self._call("PUT", self._at("meters", meter, "key").with_query(author=author), values)

    async def remove_key(self, meter: str, author: str) -> dict[str, Any]:
        """Forget a meter's keys; what could be told of them."""
        return await self._call("DELETE", self._at("meters", meter, "key").with_query(author=author))

    async def release_key(self, meter: str, author: str) -> dict[str, Any]:
        """Let the device have them at whose port the meter stands now."""
        return await self._call("POST", self._at("meters", meter, "key:release").with_query(author=author))


def _given(query: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}
