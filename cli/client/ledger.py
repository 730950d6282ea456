"""Reads the ledger over the HTTP API, and proves a range of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cli.client.http import ConfigClient
from cli.ledger_proof import BootRecord, Gap, Run, above, merged, without

MARGIN: Final = timedelta(hours=1)
"""So much before and after the range is read too, for the numbers that it begins after and ends before."""
DAY: Final = timedelta(days=1)
_OF_ALL: Final = timedelta(hours=1)
_OLDEST: Final = timedelta(days=90)
"""Where nobody knows when a boot began, so far back is looked for its numbers: the ledger's own retention."""
_PAGE: Final = "1000"
_TIMEOUT_S: Final = 120.0


@dataclass(slots=True)
class Audit:
    """What an audit found; `late` counts numbers of the range that came at another time."""

    since: datetime
    until: datetime
    missing: list[tuple[Gap, bool]] = field(default_factory=list)
    """Each with whether it may still come by itself."""
    devices: set[str] = field(default_factory=set)
    messages: int = 0
    late: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


class LedgerClient(ConfigClient):
    """The ledger over the HTTP API; enter it with `async with`."""

    async def audit(self, since: datetime, until: datetime, device: str | None) -> Audit:
        """Prove a range, or name what is missing: by the ledger itself; the summary only says when boots began."""
        found = Audit(since, until)
        records = await self._records(since, until, device)
        gaps: list[Gap] = []
        for record in records.values():
            found.messages += sum(run.high - run.low + 1 for run in record.within)
            if record.within:
                found.devices.add(record.device)
            open_gaps = record.gaps(since, until)
            if open_gaps:
                left = await self._searched(record, open_gaps, since, until)
                gone = sum(gap.numbers for gap in open_gaps) - sum(gap.numbers for gap in left)
                found.late += gone if record.start_known else 0
                gaps += left
        names = sorted({gap.device for gap in gaps})
        online = {name: (await self._call("GET", self._at("devices", name)))["online"] for name in names}
        now = datetime.now(UTC)
        gaps.sort(key=lambda gap: (gap.device, gap.before_at, gap.boot, gap.low))
        found.missing = [(gap, gap.expected(now, online=bool(online[gap.device]))) for gap in gaps]
        return found

    async def _records(self, since: datetime, until: datetime, device: str | None) -> dict[tuple[str, str], BootRecord]:
        """What came of each boot around the range and in it."""
        records: dict[tuple[str, str], BootRecord] = {}
        query = _range(since - MARGIN, until, device)
        async for boot in self._listed("boots", query):
            record = records[boot["device"], boot["boot"]] = BootRecord(boot["device"], boot["boot"])
            record.first_at, record.last_seq = _at(boot["first_at"]), boot["last_seq"]
            if boot["ended_at"] is not None:
                record.ended = boot["ended_seq"], datetime.fromisoformat(boot["ended_at"])
        parts = ("before", since - MARGIN, since), ("within", since, until), ("after", until, until + MARGIN)
        for name, start, end in parts:
            async for key, run in self._runs(start, end, device):
                record = records.setdefault(key, BootRecord(*key, first_at=run.first_at))
                if not record.believes(run):
                    continue
                runs = getattr(record, name)
                runs.append(run)
                if len(runs) > 1 and run.low <= runs[-2].high + 1:
                    setattr(record, name, merged(runs))
        for record in records.values():
            record.before, record.within, record.after = map(merged, (record.before, record.within, record.after))
        return records

    async def _searched(self, record: BootRecord, gaps: list[Gap], since: datetime, until: datetime) -> list[Gap]:
        """What is left of a boot's gaps once all other times are looked at in which their numbers may have come."""
        began = record.first_at or since - _OLDEST
        earlier = [run async for run in self._of_boot(record, began, since - MARGIN)]
        later = [run async for run in self._of_boot(record, until, datetime.now(UTC))]
        left: list[Gap] = []
        for gap in gaps:
            real: Gap | None = gap
            if record.within and not record.start_known and began < since - MARGIN and gap.low == 1:
                real = above(gap, earlier, record.within[0].low)
            if real is not None:
                left += without(real, [*earlier, *later])
        return left

    async def _of_boot(self, record: BootRecord, start: datetime, end: datetime) -> AsyncIterator[Run]:
        async for (_, boot), run in self._runs(start, end, record.device):
            if boot == record.boot:
                yield run

    async def _runs(
        self, start: datetime, end: datetime, device: str | None
    ) -> AsyncIterator[tuple[tuple[str, str], Run]]:
        """Runs of a stretch of time, part by part: of all devices an hour, of one a day."""
        end = min(end, datetime.now(UTC))
        while start < end:
            stop = min(end, start + (_OF_ALL if device is None else DAY))
            async for run in self._listed("runs", _range(start, stop, device)):
                first, last = datetime.fromisoformat(run["first_at"]), datetime.fromisoformat(run["last_at"])
                yield (run["device"], run["boot"]), Run(run["low"], run["high"], first, last)
            start = stop

    async def _listed(self, what: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """All pages of a list of the ledger."""
        cursor: dict[str, str] = {}
        while True:
            url = self._at("ledger", what).with_query({**query, **cursor, "limit": _PAGE})
            page = await self._call("GET", url, timeout_s=_TIMEOUT_S)
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}


def _range(start: datetime, end: datetime, device: str | None) -> dict[str, str]:
    query = {"from": start.isoformat(), "to": end.isoformat()}
    return query if device is None else query | {"device": device}


def _at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
