"""Routes about the ledger: what was lost, healed, repeated and late, and what it holds, number by number."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.api.ledger.models import (
    LONGEST,
    BootPage,
    DeviceLedgerQuery,
    HolePage,
    LedgerPage,
    LedgerQuery,
    RunPage,
)
from gateway.api.ledger.store import ledger_boots, ledger_devices, ledger_holes, ledger_runs
from gateway.api.pages import CURSOR_FIX, page_of
from gateway.api.route import Answer, Call, Route
from gateway.faults import invalid
from gateway.fleet.devices import check_device
from gateway.models import PageQuery
from store.pool import Pool

_DAY: Final = timedelta(days=1)
_NUMBERS: Final = 2**63


class LedgerRoutes:
    """The summary of the ledger by device and boot, and the ledger itself as runs of numbers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        return [
            Route("GET", "/ledger", "listLedger", "Messages lost, repeated, late and healed by device.",
                  self.devices, LedgerPage, LedgerQuery),
            Route("GET", "/ledger/boots", "listLedgerBoots", "The same by device and boot.",
                  self.boots, BootPage, LedgerQuery),
            Route("GET", "/ledger/holes", "listLedgerHoles", "Numbers that are missing, by device and boot.",
                  self.holes, HolePage, LedgerQuery),
            Route("GET", "/ledger/runs", "listLedgerRuns", "Numbers that the ledger itself holds of at most a day.",
                  self.runs, RunPage, LedgerQuery),
            Route("GET", "/devices/{device}/ledger", "getDeviceLedger", "Messages of a device by boot.",
                  self.of_device, BootPage, DeviceLedgerQuery, path_fields=fields),
        ]  # fmt: skip

    async def devices(self, call: Call) -> Answer:
        """GET /ledger."""
        query: LedgerQuery = call.query
        start, end = _range(query.start, query.end)
        await check_device(self._pool, query.device)
        (after,) = _place(query, "")
        rows = await ledger_devices(self._pool, start, end, after, query.device, query.limit + 1)
        page, cursor = page_of(rows, query.limit, "device")
        return Answer(LedgerPage(items=page, next=cursor))

    async def boots(self, call: Call) -> Answer:
        """GET /ledger/boots."""
        query: LedgerQuery = call.query
        return await self._boots(query, query.start, query.end, query.device)

    async def of_device(self, call: Call) -> Answer:
        """GET /devices/{device}/ledger."""
        query: DeviceLedgerQuery = call.query
        return await self._boots(query, query.start, query.end, call.path["device"])

    async def _boots(
        self, query: PageQuery, start: datetime | None, end: datetime | None, device: str | None
    ) -> Answer:
        since, until = _range(start, end)
        await check_device(self._pool, device)
        after, boot = _place(query, "", "")
        rows = await ledger_boots(self._pool, since, until, device, after, boot, query.limit + 1)
        page, cursor = page_of(rows, query.limit, "device", "boot")
        return Answer(BootPage(items=page, next=cursor))

    async def holes(self, call: Call) -> Answer:
        """GET /ledger/holes."""
        query: LedgerQuery = call.query
        start, end = _range(query.start, query.end)
        await check_device(self._pool, query.device)
        after, boot, low = _place(query, "", "", 0)
        rows = await ledger_holes(self._pool, start, end, query.device, after, boot, low, query.limit + 1)
        page, cursor = page_of(rows, query.limit, "device", "boot", "low")
        return Answer(HolePage(items=page, next=cursor))

    async def runs(self, call: Call) -> Answer:
        """GET /ledger/runs."""
        query: LedgerQuery = call.query
        start, end = _range(query.start, query.end)
        if query.end is None:
            end = min(end, start + LONGEST)
        if end - start > LONGEST:
            raise invalid("from", f"{end - start} is longer than a day", "ask for at most 24 hours at once")
        await check_device(self._pool, query.device)
        after, boot, low = _place(query, "", "", 0)
        rows = await ledger_runs(self._pool, start, end, query.device, after, boot, low, query.limit + 1)
        page, cursor = page_of(rows, query.limit, "device", "boot", "low")
        return Answer(RunPage(items=page, next=cursor))


def _range(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The range asked for; the last 24 hours where nothing is said. Raises Refusal."""
    try:
        until = (end or datetime.now(UTC)).astimezone(UTC)
        since = until - _DAY if start is None else start.astimezone(UTC)
    except OverflowError as error:
        raise invalid("from", "lies outside the years 1 to 9999 in UTC", "ask for a later time") from error
    if since >= until:
        raise invalid("from", f"{since.isoformat()} is not before {until.isoformat()}", "give a from before to")
    return since, until


def _place(query: PageQuery, *first: str | int) -> tuple[Any, ...]:
    """Behind which row a page begins, `first` without a cursor. Raises Refusal for a cursor of another list."""
    given = query.cursor
    if given is None:
        return first
    fits = len(given) == len(first) and all(
        type(one) is type(other) and "\0" not in str(one) and (isinstance(one, str) or 0 <= one < _NUMBERS)
        for one, other in zip(given, first, strict=True)
    )
    if not fits:
        raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
    return tuple(given)
