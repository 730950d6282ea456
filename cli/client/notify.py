"""Notifications over the HTTP API, from the command line's side."""

from collections.abc import Mapping
from typing import Any

from cli.client.http import ConfigClient


class NotifyClient(ConfigClient):
    """Manages channels, rules and messages of one gateway; enter it with `async with`."""

    async def channels(self) -> list[dict[str, Any]]:
        """All channels."""
        return list((await self._call("GET", self._at("notify", "channels")))["items"])

    async def set_channel(self, name: str, values: Mapping[str, str], author: str) -> dict[str, Any]:
        """Enter or replace a channel."""
        return await self._call("PUT", self._at("notify", "channels", name).with_query(author=author), dict(values))

    async def remove_channel(self, name: str, author: str) -> dict[str, Any]:
        """Remove a channel."""
        return await self._call("DELETE", self._at("notify", "channels", name).with_query(author=author))

    async def test(self, name: str, author: str) -> dict[str, Any]:
        """Send a message to a channel; what came of it."""
        url = self._at("notify", "channels", f"{name}:test").with_query(author=author)
        return await self._call("POST", url, timeout_s=45)

    async def rules(self) -> list[dict[str, Any]]:
        """All rules."""
        return list((await self._call("GET", self._at("notify", "rules")))["items"])

    async def rule(self, name: str) -> dict[str, Any]:
        """One rule."""
        return await self._call("GET", self._at("notify", "rules", name))

    async def set_rule(self, name: str, document: Mapping[str, Any], author: str) -> dict[str, Any]:
        """Enter or replace a rule."""
        return await self._call("PUT", self._at("notify", "rules", name).with_query(author=author), dict(document))

    async def remove_rule(self, name: str, author: str) -> dict[str, Any]:
        """Remove a rule."""
        return await self._call("DELETE", self._at("notify", "rules", name).with_query(author=author))

    async def messages(self, **query: str | None) -> list[dict[str, Any]]:
        """The newest messages."""
        given = {name: value for name, value in query.items() if value is not None}
        return list((await self._call("GET", self._at("notify", "messages").with_query(given)))["items"])

    async def replay(self, number: str, author: str) -> dict[str, Any]:
        """Send a dead message again."""
        url = self._at("notify", "messages", f"{number}:replay").with_query(author=author)
        return await self._call("POST", url)
