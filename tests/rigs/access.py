"""Requests to the API with a token, and its stream of changes."""

from collections.abc import AsyncIterator
from typing import Any

from tests.rigs.gateway import Gateway

ROOT = "the-token-of-the-settings"


async def ask(running: Gateway, method: str, path: str, token: str | None, **more: Any) -> tuple[int, Any, Any]:
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
    async with running.http.request(method, f"{running.url}/api/v1{path}", headers=headers, **more) as response:
        return response.status, await response.json(content_type=None), response.headers


async def events(content: Any) -> AsyncIterator[dict[str, str]]:
    """The events of a stream, each as its fields."""
    found: dict[str, str] = {}
    async for line in content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            found[name] = value
        elif "event" in found:
            yield found
            found = {}
        else:
            found = {}
