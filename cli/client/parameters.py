"""Parameters, groups and staged changes over the HTTP API, from the command line's side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from yarl import URL

from cli.client.http import TIMEOUT_S, ConfigClient

CHANGE_TIMEOUT_S: Final = 120.0
"""A change of the fleet makes every device's configuration anew."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whose parameters: a device's, a group's, or with neither the fleet's."""

    device: str | None = None
    group: str | None = None

    def __str__(self) -> str:
        return self.device or (f"group {self.group}" if self.group else "fleet")


class ParameterClient(ConfigClient):
    """Reads and changes parameters at one gateway; enter it with `async with`."""

    async def parameters(self, target: Target) -> dict[str, Any]:
        """What holds, and from which layers."""
        return await self._call("GET", self._of(target))

    async def change(self, target: Target, changes: dict[str, Any], who: Mapping[str, str]) -> Any:
        """Set parameters; answers what is desired then."""
        return await self._call("PATCH", self._of(target).with_query(who), changes, CHANGE_TIMEOUT_S)

    async def rollback(self, target: Target, to: int | None, who: Mapping[str, str]) -> Any:
        """Bring an earlier version back; without a number the one before."""
        version = {} if to is None else {"to": str(to)}
        url = self._of(target, verb="rollback").with_query({**who, **version})
        return await self._call("POST", url, None, CHANGE_TIMEOUT_S)

    async def history(self, target: Target, limit: int) -> Any:
        """The newest versions."""
        return await self._call("GET", self._of(target, "history").with_query(limit=str(limit)))

    async def diff(self, target: Target, start: int | None, end: int | None) -> Any:
        """How two versions differ."""
        wanted = {name: str(value) for name, value in (("from", start), ("to", end)) if value is not None}
        return await self._call("GET", self._of(target, "diff").with_query(wanted))

    async def stage(self, target: Target, body: dict[str, Any], who: Mapping[str, str]) -> Any:
        """Begin a staged change."""
        return await self._call("POST", self._of(target, verb="stage").with_query(who), body, CHANGE_TIMEOUT_S)

    async def stages(self, state: str | None) -> list[dict[str, Any]]:
        """Staged changes, the newest first."""
        return await self._all(self._at("stages"), {"state": state} if state else {})

    async def one_stage(self, number: int) -> Any:
        """A staged change with its devices."""
        url = self._at("stages", number)
        return {**await self._call("GET", url), "members": await self._all(url / "devices", {})}

    async def act(self, number: int, verb: str, who: Mapping[str, str]) -> Any:
        """Pause, resume or abort a staged change."""
        url = self._at("stages", number, verb=verb).with_query(who)
        return await self._call("POST", url, None, CHANGE_TIMEOUT_S)

    async def groups(self) -> list[dict[str, Any]]:
        """Groups by name."""
        return await self._all(self._at("groups"), {})

    async def group(self, name: str) -> Any:
        """A group with the names of its devices."""
        url = self._at("groups", name)
        return {**await self._call("GET", url), "members": await self._all(url / "devices", {})}

    async def set_group(self, name: str, body: dict[str, Any], who: Mapping[str, str]) -> Any:
        """Make or change a group."""
        return await self._call("PUT", self._at("groups", name).with_query(who), body, CHANGE_TIMEOUT_S)

    async def remove_group(self, name: str, who: Mapping[str, str]) -> Any:
        """Remove a group with its parameters."""
        return await self._call("DELETE", self._at("groups", name).with_query(who), None, CHANGE_TIMEOUT_S)

    async def devices(self) -> list[dict[str, Any]]:
        """All devices, with how their configuration stands."""
        return await self._all(self._at("devices"), {})

    async def _all(self, url: URL, query: Mapping[str, str]) -> list[Any]:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._call("GET", url.with_query({**query, **cursor, "limit": "1000"}), None, TIMEOUT_S)
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def _of(self, target: Target, *rest: str, verb: str = "") -> URL:
        whose: tuple[str, ...] = ()
        if target.device is not None:
            whose = ("devices", target.device)
        elif target.group is not None:
            whose = ("groups", target.group)
        return self._at(*whose, "parameters", *rest, verb=verb)
