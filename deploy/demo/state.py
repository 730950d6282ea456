"""What the demo knows while it runs: read from the database and the witness, shown on the terminal."""

import time
from collections import deque
from dataclasses import dataclass, field

import asyncpg

from broker.wording import counted
from deploy.demo.report import QUARANTINE
from deploy.demo.witness import Witness
from store.sql import Connection

RATE_WINDOW_S = 10.0
OVERVIEW = """
SELECT d.name AS device, d.online, d.registered_at IS NOT NULL AS registered, m.key, m.protocol, m.manufacturer,
       coalesce(m.product, s.document -> 'product' ->> 'name') AS product, m.spec, m.parent_id IS NOT NULL AS behind
FROM device d LEFT JOIN meter m ON m.device_id = d.id AND m.removed_at IS NULL
LEFT JOIN spec s ON s.name || '@' || s.version = m.spec
ORDER BY d.name, m.key
"""
STORED = """
SELECT count(*) FILTER (WHERE o.source <> 'redecoded') AS stored,
       count(*) FILTER (WHERE o.source = 'redecoded') AS decoded
FROM reading r JOIN reading_source o ON o.id = r.source
WHERE r.series_id NOT IN (
    SELECT s.id FROM series s JOIN meter m ON m.id = s.meter_id JOIN source ON source.device_id = m.device_id
)
"""
ENROLLED = "SELECT count(DISTINCT identity) FROM certificate"


@dataclass(slots=True)
class State:
    """One look at the fleet; `rate` is stored readings a second over the last ten seconds.

    `stored` are readings that devices published, `decoded` those that the platform made of kept frames.
    """

    rows: list[asyncpg.Record] = field(default_factory=list)
    stored: int = 0
    decoded: int = 0
    quarantined: int = 0
    rate: float = 0.0
    looked_at: float = 0.0
    enrolled: int = 0
    enrolled_s: float | None = None
    first_reading_s: float | None = None
    note: str = ""
    _past: deque[tuple[float, int]] = field(default_factory=deque)

    async def look(self, connection: Connection, powered_at: float) -> None:
        """Look again; `powered_at` is when the Pis were plugged in (monotonic seconds)."""
        now = time.monotonic()
        stored, self.decoded = await connection.fetchrow(STORED) or (0, 0)
        self._past.append((now, stored))
        while now - self._past[0][0] > RATE_WINDOW_S:
            self._past.popleft()
        since, before = self._past[0]
        self.rate = (stored - before) / max(now - since, 0.001)
        enrolled = await connection.fetchval(ENROLLED)
        if enrolled > self.enrolled:
            # of the last of them, once none comes any more
            self.enrolled, self.enrolled_s = enrolled, round(now - powered_at, 2)
        if stored and self.first_reading_s is None:
            self.first_reading_s = round(now - powered_at, 2)
        self.stored, self.looked_at = stored, now
        self.quarantined = sum(row["times"] for row in await connection.fetch(QUARANTINE))
        self.rows = await connection.fetch(OVERVIEW)

    def line(self, witness: Witness) -> str:
        """One line for a log. A meter counts that stands at a port and whose product is known, as in the report."""
        devices = {row["device"] for row in self.rows if row["registered"]}
        known = sum(is_known(row["spec"]) and not row["behind"] for row in self.rows)
        enrolled = f"{self.enrolled} enrolled, " if self.enrolled else ""
        return (
            f"{enrolled}{counted(len(devices), 'Pi')} registered, {counted(known, 'meter')} identified · "
            f"readings published {len(witness.published)}, stored {self.stored} ({self.rate:.1f}/s)"
            f"{f', made of kept frames {self.decoded}' if self.decoded else ''} · frames kept raw {self.quarantined}"
        )

    def meters(self) -> list[str]:
        """A line for each meter: where it stands and by which spec it is read."""
        return [
            f"{row['device']}: {row['key']}, {row['spec'] if is_known(row['spec']) else 'a product that nobody knows'}"
            for row in self.rows
            if row["spec"]
        ]


def is_known(spec: str | None) -> bool:
    """Whether a spec is one of the meter's product, and not of its protocol alone."""
    return spec is not None and not spec.startswith("generic-")
