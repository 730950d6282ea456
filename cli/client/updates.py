"""Software of devices over the HTTP API, from the command line's side."""

from collections.abc import Mapping
from typing import Any, Final

from cli.client.parameters import ParameterClient, Target

OF_RELEASE: Final = ("software_release", "software_source")


class UpdateClient(ParameterClient):
    """Publishes releases at one gateway, and reads which run where; enter it with `async with`."""

    async def software(self, group: str | None) -> list[dict[str, Any]]:
        """All devices, or a group's, with the release desired and the one that runs."""
        return await self._all(self._at("software"), _group(group))

    async def releases(self, group: str | None) -> list[dict[str, Any]]:
        """How many devices run which release."""
        found = await self._call("GET", self._at("software", "releases").with_query(_group(group)))
        return list(found["items"])

    async def device_software(self, device: str) -> Any:
        """One device, with the states that its software came into."""
        return await self._call("GET", self._at("devices", device, "software"))

    async def retry(self, device: str, who: Mapping[str, str]) -> Any:
        """Have a device try again what it gave up."""
        return await self._call("POST", self._at("devices", device, "software", verb="retry").with_query(who))

    async def open_stage(self, target: Target) -> int | None:
        """The staged change of a scope that is running or paused."""
        found: int | None = (await self.parameters(target))["stage"]
        return found

    async def release_before(self, target: Target) -> dict[str, Any] | None:
        """What a scope said of its release before the one that it names now; None where it never said another."""
        versions = (await self.history(target, 1000))["items"]
        said = [{name: one["parameters"].get(name) for name in OF_RELEASE} for one in versions]
        return next((one for one in said if one != said[0] and one["software_release"]), None)


def _group(group: str | None) -> dict[str, str]:
    return {} if group is None else {"group": group}
