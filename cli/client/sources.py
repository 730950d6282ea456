"""What `wattline source` asks of a gateway."""

from typing import Any

from cli.client.http import ConfigClient

TRY_TIMEOUT_S = 60.0


class SourceClient(ConfigClient):
    """Reads and changes sources at one gateway; enter it with `async with`."""

    async def sources(self) -> list[dict[str, Any]]:
        """All sources."""
        found: list[dict[str, Any]] = (await self._call("GET", self._at("sources")))["items"]
        return found

    async def source(self, name: str) -> dict[str, Any]:
        """One of them."""
        return await self._call("GET", self._at("sources", name))

    async def create(self, name: str, kind: str, settings: dict[str, Any], author: str) -> dict[str, Any]:
        """Make one."""
        document = {"name": name, "kind": kind, "settings": settings}
        return await self._call("POST", self._at("sources").with_query(author=author), document)

    async def set(self, name: str, changes: dict[str, Any], author: str) -> dict[str, Any]:
        """Change some settings of one, the others stay."""
        settings = (await self.source(name))["settings"] | changes
        return await self._call("PUT", self._at("sources", name, "settings").with_query(author=author), settings)

    async def enable(self, name: str, enabled: bool, author: str) -> dict[str, Any]:
        """Turn one on or off."""
        query = {"enabled": str(enabled).lower(), "author": author}
        return await self._call("POST", self._at("sources", name, verb="enable").with_query(query))

    async def secret(self, name: str, given: str, grace_s: float, author: str) -> str:
        """Set a secret, or have one made; what it is."""
        document = {"grace_s": grace_s} | ({"secret": given} if given else {})
        url = self._at("sources", name, "secret").with_query(author=author)
        return str((await self._call("PUT", url, document))["secret"])

    async def map(self, name: str, text: bytes, author: str, reason: str | None) -> dict[str, Any]:
        """Give a source another version of its mapping."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("PUT", self._at("sources", name, "mapping").with_query(query), text, TRY_TIMEOUT_S)

    async def mapping(self, name: str, version: int | None) -> dict[str, Any]:
        """A version of it, the one in force where none is named."""
        query = {} if version is None else {"version": str(version)}
        return await self._call("GET", self._at("sources", name, "mapping").with_query(query))

    async def attempt(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Try a mapping on a payload."""
        return await self._call("POST", self._at("sources", name, verb="try"), document, TRY_TIMEOUT_S)

    async def draft(self, sample: dict[str, Any]) -> dict[str, Any]:
        """A mapping proposed from a sample."""
        return await self._call("POST", self._at("sources", verb="draft"), sample, TRY_TIMEOUT_S)

    async def payloads(self, name: str, state: str | None, most: int) -> list[dict[str, Any]]:
        """The newest payloads of a source."""
        query = {"limit": str(most)} | ({"state": state} if state else {})
        found: list[dict[str, Any]] = (
            await self._call("GET", self._at("sources", name, "payloads").with_query(query))
        )["items"]
        return found

    async def payload(self, name: str, number: int) -> dict[str, Any]:
        """One of them, with its body."""
        return await self._call("GET", self._at("sources", name, "payloads", number))

    async def settle(self, name: str, number: int | None, author: str, *, drop: bool) -> int:
        """Have payloads tried again, or forget unmapped ones; how many."""
        query = {"author": author} | ({"id": str(number)} if number is not None else {})
        url = self._at("sources", name, "payloads", verb="" if drop else "retry").with_query(query)
        return int((await self._call("DELETE" if drop else "POST", url))["payloads"])
