"""Routes about devices."""

from gateway.api.devices.models import DeviceDetail, DevicePage, DevicesQuery, DeviceSummary, QuotaView
from gateway.api.devices.store import device_detail, device_quotas, device_specs, list_devices
from gateway.api.devices.views import device_summary, drift, outbox_view, report_view
from gateway.api.meters.store import list_meters
from gateway.api.pages import CURSOR_FIX
from gateway.api.route import Answer, Call, Route
from gateway.faults import invalid, unknown
from gateway.fleet.device_labels import chosen
from gateway.fleet.labels import parse_selector
from gateway.models import encode_cursor
from store.pool import Pool

MOST_METERS = 1000
"""Meters that a device's answer names."""


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
        rows = await list_devices(
            self._pool, *_place(query), query.online, query.in_step, query.q, query.sort, query.descending,
            query.limit + 1, names,
        )  # fmt: skip
        page = rows[: query.limit]
        items = tuple(device_summary(row) for row in page)
        more = len(rows) > query.limit
        last = encode_cursor(query.sort, page[-1].sort_key, page[-1].device) if more else None
        return Answer(DevicePage(items=items, next=last))

    async def _chosen(self, selector: str) -> list[str]:
        parsed = parse_selector(selector)
        async with self._pool.acquire() as connection:
            return [one.device for one in await chosen(connection, parsed)]

    async def detail(self, call: Call) -> Answer:
        """GET /devices/{device}."""
        stored = await device_detail(self._pool, call.path["device"])
        if stored is None:
            raise unknown("device", call.path["device"])
        meters = await list_meters(self._pool, "", call.path["device"], True, MOST_METERS)
        report = report_view(stored)
        summary = device_summary(stored)
        specs = await device_specs(self._pool, call.path["device"])
        quotas = await device_quotas(self._pool, call.path["device"])
        return Answer(
            DeviceDetail(
                **{name: getattr(summary, name) for name in DeviceSummary.model_fields if name != "specs"},
                specs=tuple(specs),
                registration=stored.registration,
                meters=tuple(meters),
                desired=stored.desired,
                reported=report,
                drift=drift(stored.desired, report),
                outbox=outbox_view(stored),
                quotas=tuple(QuotaView.model_validate(one, from_attributes=True) for one in quotas),
            )
        )


def _place(query: DevicesQuery) -> tuple[str | None, str | None]:
    """Behind which sort key and name a page begins. Raises Refusal for a cursor of another list or order."""
    match query.cursor:
        case None:
            return None, None
        case [str() as sort, str() as key, str() as name] if sort == query.sort and "\0" not in key + name:
            return key, name
    raise invalid("cursor", "this is no cursor of this list in this order", CURSOR_FIX)
