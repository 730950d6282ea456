"""Routes about devices."""

import json

from broker.errors import ContractError
from gateway.api_cursors import CURSOR_FIX
from gateway.api_models import (
    DeviceDetail,
    DevicePage,
    DevicesQuery,
    DeviceSummary,
    MeterSummary,
    encode_cursor,
)
from gateway.api_route import Answer, Call, Route
from gateway.device_labels import chosen
from gateway.labels import parse_selector
from gateway.problem import not_found, refused, wrong
from gateway.sql import load
from gateway.views import device_summary, drift, report_view
from store.pool import Pool


class DeviceRoutes:
    """Lists and details of devices."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        return [
            Route("GET", "/devices", "listDevices", "Devices by name.", self.page, DevicePage, DevicesQuery),
            Route(
                "GET",
                "/devices/{device}",
                "getDevice",
                "A device: registration, meters, desired and reported configuration, and where they differ.",
                self.detail,
                DeviceDetail,
                path_fields=fields,
            ),
        ]

    async def page(self, call: Call) -> Answer:
        """GET /devices."""
        query: DevicesQuery = call.query
        names = None if query.selector is None else await self._chosen(query.selector)
        rows = await self._pool.fetch(
            load("list_devices"),
            *_place(query),
            query.online,
            query.in_step,
            query.q,
            query.sort,
            query.descending,
            query.limit + 1,
            names,
        )
        page = rows[: query.limit]
        items = tuple(device_summary(row) for row in page)
        more = len(rows) > query.limit
        last = encode_cursor(query.sort, page[-1]["sort_key"], page[-1]["device"]) if more else None
        return Answer(DevicePage(items=items, next=last))

    async def _chosen(self, selector: str) -> list[str]:
        try:
            parsed = parse_selector(selector)
        except ContractError as error:
            raise refused(error) from error
        async with self._pool.acquire() as connection:
            return [one.device for one in await chosen(connection, parsed)]

    async def detail(self, call: Call) -> Answer:
        """GET /devices/{device}."""
        row = await self._pool.fetchrow(load("device_detail"), call.path["device"])
        if row is None:
            raise not_found("device", call.path["device"])
        meters = await self._pool.fetch(load("list_meters"), "", call.path["device"], True, 1000)
        desired = json.loads(row["desired"]) if row["desired"] else None
        report = report_view(row)
        summary = device_summary(row)
        specs = await self._pool.fetch(load("device_specs"), call.path["device"])
        return Answer(
            DeviceDetail(
                **{name: getattr(summary, name) for name in DeviceSummary.model_fields if name != "specs"},
                specs=tuple(one["spec"] for one in specs),
                registration=json.loads(row["registration"]) if row["registration"] else None,
                meters=tuple(MeterSummary(**dict(meter)) for meter in meters),
                desired=desired,
                reported=report,
                drift=drift(desired, report),
            )
        )


def _place(query: DevicesQuery) -> tuple[str | None, str | None]:
    """Behind which sort key and name a page begins. Raises ApiError for a cursor of another list or order."""
    match query.cursor:
        case None:
            return None, None
        case [str() as sort, str() as key, str() as name] if sort == query.sort and "\0" not in key + name:
            return key, name
    raise wrong("cursor", "this is no cursor of this list in this order", CURSOR_FIX)


async def require_device(pool: Pool, name: str | None) -> None:
    """Refuse the name of a device that there is not; None is none. Raises ApiError 404."""
    if name is not None and await pool.fetchval("SELECT id FROM device WHERE name = $1", name) is None:
        raise not_found("device", name)
