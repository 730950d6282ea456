"""What the demo knows while it runs: read from the database and the witness, shown on the terminal."""

import time
from collections import deque
from dataclasses import dataclass, field

import asyncpg

from deploy.demo.report import QUARANTINE
from deploy.demo.witness import Witness

RATE_WINDOW_S = 10.0
OVERVIEW = """
SELECT d.name AS device, d.online, d.registered_at IS NOT NULL AS registered, m.key, m.protocol, m.manufacturer,
       coalesce(m.product, s.document -> 'product' ->> 'name') AS product, m.spec
FROM device d LEFT JOIN meter m ON m.device_id = d.id AND m.removed_at IS NULL
LEFT JOIN spec s ON s.name || '@' || s.version = m.spec
ORDER BY d.name, m.key
"""


@dataclass(slots=True)
class State:
    """One look at the fleet; `rate` is stored readings a second over the last ten seconds."""

    rows: list[asyncpg.Record] = field(default_factory=list)
    stored: int = 0
    quarantined: int = 0
    rate: float = 0.0
    looked_at: float = 0.0
    first_reading_s: float | None = None
    note: str = ""
    _past: deque[tuple[float, int]] = field(default_factory=deque)

    async def look(self, connection: asyncpg.Connection, powered_at: float) -> None:
        """Look again; `powered_at` is when the Pis were plugged in (monotonic seconds)."""
        now = time.monotonic()
        stored = int(await connection.fetchval("SELECT count(*) FROM reading"))
        self._past.append((now, stored))
        while now - self._past[0][0] > RATE_WINDOW_S:
            self._past.popleft()
        since, before = self._past[0]
        self.rate = (stored - before) / max(now - since, 0.001)
        if stored and self.first_reading_s is None:
            self.first_reading_s = round(now - powered_at, 2)
        self.stored, self.looked_at = stored, now
        self.quarantined = sum(row["times"] for row in await connection.fetch(QUARANTINE))
        self.rows = await connection.fetch(OVERVIEW)

    def line(self, witness: Witness) -> str:
        """One line for a log."""
        devices = {row["device"] for row in self.rows if row["registered"]}
        meters = [f"{row['key']}={row['spec']}" for row in self.rows if row["spec"]]
        return (
            f"registered {len(devices)}, identified {len(meters)} ({', '.join(meters)}), "
            f"published {len(witness.published)}, stored {self.stored} ({self.rate:.1f}/s), "
            f"quarantined {self.quarantined}"
        )
