"""Specs over the HTTP API, from the command line's side."""

from typing import Any, Final

from yarl import URL

from cli.client.http import ConfigClient

PUBLISH_TIMEOUT_S: Final = 120.0
"""Publishing matches the whole fleet anew."""


class SpecClient(ConfigClient):
    """Reads specs and changes their state at one gateway; enter it with `async with`."""

    async def specs(self, **query: str) -> list[dict[str, Any]]:
        """All specs and drafts, over all pages."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._call("GET", self._at("specs").with_query({**query, **cursor, "limit": "1000"}))
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def spec(self, name: str, version: int) -> dict[str, Any]:
        """A spec with its document."""
        return await self._call("GET", self._one(name, version))

    async def spec_yaml(self, name: str, version: int) -> str:
        """A spec as the text that its author wrote."""
        text: str = (await self._call("GET", self._one(name, version).with_query(format="yaml")))["text"]
        return text

    async def validate(self, text: bytes) -> dict[str, Any]:
        """What speaks against publishing a document."""
        return await self._call("POST", self._at("specs", verb="validate"), text, PUBLISH_TIMEOUT_S)

    async def save(self, text: bytes, *, author: str, reason: str | None, **more: str) -> dict[str, Any]:
        """Store a document as a draft, or with `publish`, publish it."""
        query = _who(author, reason) | more
        return await self._call("POST", self._at("specs").with_query(query), text, PUBLISH_TIMEOUT_S)

    async def move(
        self, name: str, version: int, action: str, query: dict[str, str], *, author: str, reason: str | None
    ) -> dict[str, Any]:
        """Change a spec's state: `action` is `publish`, `rollout`, `release`, `withdraw` or `deprecate`."""
        url = self._at("specs", name, version, verb=action).with_query(_who(author, reason) | query)
        return await self._call("POST", url, None, PUBLISH_TIMEOUT_S)

    async def rollouts(self, **query: str) -> list[dict[str, Any]]:
        """Spec versions that are or were for a part of the fleet."""
        found: list[dict[str, Any]] = (await self._call("GET", self._at("rollouts").with_query(query)))["items"]
        return found

    async def rollout(self, name: str, version: int) -> dict[str, Any]:
        """One of them, with its steps."""
        return await self._call("GET", self._at("specs", name, version, "rollout"))

    async def compare(self, name: str, version: int, against: int | None) -> dict[str, Any]:
        """A version and an older one over the frames that are kept."""
        query = {} if against is None else {"against": str(against)}
        url = self._at("specs", name, version, verb="compare").with_query(query)
        return await self._call("POST", url, None, PUBLISH_TIMEOUT_S)

    async def redecode(self, name: str, version: int, **query: str | None) -> dict[str, Any]:
        """Queue kept frames to be decoded by a spec; answers the job."""
        given = {field: value for field, value in query.items() if value is not None}
        url = self._at("specs", name, version, verb="redecode").with_query(given)
        return await self._call("POST", url, None, PUBLISH_TIMEOUT_S)

    async def unknown(self) -> list[dict[str, Any]]:
        """The groups of unknown meters."""
        found: list[dict[str, Any]] = (await self.unknown_page())["items"]
        return found

    async def unknown_page(self) -> dict[str, Any]:
        """The groups of unknown meters as `items`, and the `ports` that speak what is not read."""
        return await self._call("GET", self._at("unknown"))

    async def draft(self, **request: str | dict[str, str]) -> dict[str, Any]:
        """A proposal from the frames of a `meter` or a `group`, with `units` by address."""
        return await self._call("POST", self._at("specs", verb="draft"), request, PUBLISH_TIMEOUT_S)

    def _one(self, name: str, version: int) -> URL:
        return self._at("specs", name, version)


def _who(author: str, reason: str | None) -> dict[str, str]:
    return {"author": author} | ({"reason": reason} if reason else {})
