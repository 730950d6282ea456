"""The route about gaps: where readings of a device's meters are missing, and whether the meter remembers them."""

from gateway.api.gaps.models import MOST_GAPS, GapList, GapsQuery
from gateway.api.gaps.store import device_gaps
from gateway.api.route import Answer, Call, Route
from gateway.fleet.devices import check_device
from store.pool import Pool


class GapRoutes:
    """Gaps by device."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        about = "Where readings of a device's meters are missing, and whether the meter's own memory may have them."
        return [Route("GET", "/devices/{device}/gaps", "listGaps", about, self.page, GapList, GapsQuery,
                      path_fields=fields)]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /devices/{device}/gaps."""
        query: GapsQuery = call.query
        device = call.path["device"]
        await check_device(self._pool, device)
        return Answer(GapList(items=tuple(await device_gaps(self._pool, device, query.days, MOST_GAPS))))
