"""Commands over the HTTP API, from the command line's side."""

from typing import Any, Final

from cli.client.http import TIMEOUT_S, ConfigClient

LOOK_S: Final = 20.0
"""One request waits so long for replies; then the next one does."""


class CommandClient(ConfigClient):
    """Gives commands and follows them at one gateway; enter it with `async with`."""

    async def give(self, device: str, command: str, arguments: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        """One command for one device."""
        url = self._at("devices", device, "commands", command).with_query(query)
        return await self._call("POST", url, arguments)

    async def give_many(
        self, selector: str, command: str, arguments: dict[str, Any], query: dict[str, str]
    ) -> dict[str, Any]:
        """One command for all that a selector, or a list of names, chooses."""
        body = {"command": command, "arguments": arguments, "selector": selector}
        return await self._call("POST", self._at("commands").with_query(query), body)

    async def command(self, command_id: str) -> dict[str, Any]:
        """A command, after waiting for its end for a while."""
        url = self._at("commands", command_id).with_query(wait_s=f"{LOOK_S:g}")
        return await self._call("GET", url, timeout_s=TIMEOUT_S + LOOK_S)

    async def counts(self, batch: str) -> dict[str, int]:
        """How many commands of a batch are in each state."""
        url = self._at("commands").with_query(batch=batch, limit="1")
        found: dict[str, int] = (await self._call("GET", url))["counts"]
        return found

    async def commands(self, batch: str) -> list[dict[str, Any]]:
        """All commands of a batch, by device."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            url = self._at("commands").with_query({"batch": batch, "limit": "1000", **cursor})
            page = await self._call("GET", url)
            found += page["items"]
            if page["next"] is None:
                return sorted(found, key=lambda one: str(one["device"]))
            cursor = {"cursor": page["next"]}
