"""Routes about the software of devices; what is desired of it is a parameter, and changes by those routes."""

from collections.abc import Sequence
from typing import Any, Final

from gateway.api.pages import page_of, text_cursor
from gateway.api.route import Answer, Call, Route
from gateway.api.software.models import (
    SHOWN,
    DeviceSoftwareView,
    ReleaseList,
    ReleasesQuery,
    ReleaseView,
    SoftwareHistoryQuery,
    SoftwarePage,
    SoftwarePast,
    SoftwareQuery,
    SoftwareView,
)
from gateway.desired.change import Configuration
from gateway.faults import unknown
from gateway.fleet.groups import find_group, members_of
from gateway.models import ReasonQuery
from gateway.updates.retry import retry
from gateway.updates.store import DeviceSoftware, release_counts, software_history, software_of, software_page
from store.pool import Pool
from store.sql import Connection

NEWEST: Final = 2**62


class SoftwareRoutes:
    """What runs, what is to run, and what became of it."""

    def __init__(self, pool: Pool, configuration: Configuration) -> None:
        self._pool = pool
        self._configuration = configuration

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        listed = "The software of devices by name: the release desired, the one that runs, and how that stands."
        counted = "Which releases run on how many devices, and how those that are desired stand."
        one = "The software of a device, with the states that it came into."
        again = "Have a device try the release again that its updater refused or went back from."
        return [
            Route("GET", "/software", "listSoftware", listed, self.page, SoftwarePage, SoftwareQuery),
            Route("GET", "/software/releases", "listReleases", counted, self.releases, ReleaseList, ReleasesQuery),
            Route("GET", "/devices/{device}/software", "getDeviceSoftware", one, self.device, DeviceSoftwareView,
                  SoftwareHistoryQuery, path_fields=fields),
            Route("POST", "/devices/{device}/software:retry", "retryDeviceSoftware", again, self.retry,
                  DeviceSoftwareView, ReasonQuery, path_fields=fields),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /software."""
        query: SoftwareQuery = call.query
        async with self._pool.acquire() as connection:
            among = await _members(connection, query.group)
            rows = await software_page(
                connection, text_cursor(query), among, query.running, query.desired, query.state, query.limit + 1
            )
        page, more = page_of(rows, query.limit, "device")
        return Answer(SoftwarePage(items=tuple(SoftwareView(**_facts(one)) for one in page), next=more))

    async def releases(self, call: Call) -> Answer:
        """GET /software/releases."""
        query: ReleasesQuery = call.query
        async with self._pool.acquire() as connection:
            found = await release_counts(connection, await _members(connection, query.group))
        items = (
            ReleaseView(running=one.running, desired=one.desired, state=one.standing, devices=one.devices)
            for one in found
        )
        return Answer(ReleaseList(items=tuple(items)))

    async def device(self, call: Call) -> Answer:
        """GET /devices/{device}/software."""
        query: SoftwareHistoryQuery = call.query
        async with self._pool.acquire() as connection:
            return Answer(await _view(connection, call.path["device"], query.limit))

    async def retry(self, call: Call) -> Answer:
        """POST /devices/{device}/software:retry."""
        device, query = call.path["device"], call.query
        async with self._configuration.changing() as change:
            await retry(change, device, author=query.author, reason=query.reason)
            return Answer(await _view(change.connection, device, SHOWN))


async def _view(connection: Connection, device: str, limit: int) -> DeviceSoftwareView:
    """A device's software with its newest states. Raises Refusal: unknown."""
    found = await software_of(connection, device)
    if found is None:
        raise unknown("device", device)
    past = await software_history(connection, device, NEWEST, limit)
    history = tuple(SoftwarePast.model_validate(one, from_attributes=True) for one in past)
    return DeviceSoftwareView(**_facts(found), history=history)


async def _members(connection: Connection, name: str | None) -> Sequence[int] | None:
    """The devices of a group, None without one. Raises Refusal: unknown."""
    if name is None:
        return None
    group = await find_group(connection, name)
    if group is None:
        raise unknown("group", name)
    return [device_id for device_id, _ in await members_of(connection, group)]


def _facts(one: DeviceSoftware) -> dict[str, Any]:
    names = [name for name in SoftwareView.model_fields if name not in ("state", "reasons")]
    # those of a report about what was desired before would be taken for the present ones
    reasons = () if one.standing == "unreported" else one.reasons or ()
    return {name: getattr(one, name) for name in names} | {"state": one.standing, "reasons": reasons}
