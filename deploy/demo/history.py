"""The demo's gap: a Pi that was away for hours, filled from its meter's load profile, held against the meter itself."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from deploy.demo.fleet import HISTORY_DEVICE, HISTORY_METER, Pi
from device.history.memory import HistoryMemory, Known
from device.simulator.iec_meter import SimulatedIecMeter
from store.sql import Connection

AWAY: Final = timedelta(hours=3)
WITHIN_S: Final = 90.0
REGISTER: Final = "1-0:1.8.0"
NEAR_KWH: Final = 0.0006
"""The meter's register has whole Wh."""

STORED: Final = """
SELECT r.time, r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
JOIN reading_source o ON o.id = r.source
WHERE m.key = $1 AND s.obis = $2 AND o.source = 'profile' AND r.time > $3 AND r.time <= $4
"""


class History(BaseModel):
    """What came of the gap; `healed_s` is from power to the last interval in the store, None where one is missing."""

    model_config = ConfigDict(frozen=True)

    device: str
    meter: str
    gap_s: float
    intervals: int
    """Of the gap, in the store with the value that the meter's own memory has."""
    missing: int
    healed_s: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """When the Pi had read its meter last, and when it was switched on again."""

    since: datetime
    until: datetime

    async def heal(self, connection: Connection, pis: list[Pi], powered_at: float) -> History:
        """Wait until nothing is missing, WITHIN_S after power (monotonic seconds) at most."""
        while True:
            found = await self._look(connection, pis, powered_at)
            if not found.missing or time.monotonic() - powered_at > WITHIN_S:
                return found
            await asyncio.sleep(0.3)

    async def _look(self, connection: Connection, pis: list[Pi], powered_at: float) -> History:
        kept = self._kept(pis)
        rows = await connection.fetch(STORED, HISTORY_METER, REGISTER, self.since, self.until)
        stored = {row["time"]: row["value"] for row in rows}
        right = sum(abs(stored[at] - kwh) < NEAR_KWH for at, kwh in kept.items() if at in stored)
        missing = len(kept) - right
        healed_s = None if missing else round(time.monotonic() - powered_at, 2)
        return History(
            device=HISTORY_DEVICE, meter=HISTORY_METER, gap_s=(self.until - self.since).total_seconds(),
            intervals=right, missing=missing, healed_s=healed_s,
        )  # fmt: skip

    def _kept(self, pis: list[Pi]) -> dict[datetime, float]:
        """The register at the end of each interval of the gap, as the meter has it."""
        meters = [meter for pi in pis if pi.name == HISTORY_DEVICE for meter in pi.meters]
        memory = next(meter.memory for meter in meters if isinstance(meter, SimulatedIecMeter))
        return memory.imported_kwh(self.since, self.until)


def leave_gap(folder: Path) -> Gap:
    """Leave on the Pi's disk what an agent leaves that was cut off hours ago."""
    until = datetime.now(UTC).replace(microsecond=0)
    data = folder / HISTORY_DEVICE
    data.mkdir(exist_ok=True, mode=0o700)
    HistoryMemory(data / "history.json").put(HISTORY_METER, Known(until - AWAY))
    return Gap(until - AWAY, until)


def told(history: History) -> str:
    """One line for people."""
    began = f"{history.device} was away for {history.gap_s / 3600:g} h"
    if history.healed_s is None:
        return f"{began}: {history.missing} intervals are not in the store, {history.intervals} are"
    return (
        f"{began}: {history.intervals} intervals came from the load profile of {history.meter}, the last"
        f" {history.healed_s:.1f} s after power; the gap is healed"
    )
