"""The demo's report: what was published held against what is stored, as one JSON document."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from deploy.demo.history import History, told
from deploy.demo.unknown import Unknown
from deploy.demo.witness import Witness
from store.sql import Connection


class MeterIdentified(BaseModel):
    """A meter that the platform recognised."""

    model_config = ConfigDict(frozen=True)

    device: str
    protocol: str | None
    manufacturer: str | None
    product: str | None
    spec: str | None


class ParameterChange(BaseModel):
    """The parameter that the demo changed, and what came of it."""

    model_config = ConfigDict(frozen=True)

    parameter: str
    device: str
    from_: float
    to: float
    reported_after_s: float | None
    effect_seen: bool


class Report(BaseModel):
    """What `make demo REPORT=` writes; times in seconds, counts of single values (readings)."""

    model_config = ConfigDict(frozen=True)

    devices_registered: int
    meters_identified: list[MeterIdentified]
    enrolled_s: float | None
    """From power to the last Pi's certificate."""
    tls: bool
    """Whether every device logs in by a certificate, for which the broker's listener has TLS alone."""
    first_reading_s: float | None
    readings_published: int
    readings_stored: int
    readings_lost: int
    readings_repeated: int
    messages_repeated: int
    ledger_lost: int
    frames_quarantined: int
    quarantine_reasons: dict[str, int]
    latency_p50_s: float | None
    latency_p99_s: float | None
    parameter_change: ParameterChange | None
    history: History | None
    """None where the demo was ended before its gap was healed."""
    unknown: Unknown | None = None
    versions: dict[str, str]

    @property
    def exactly_once(self) -> bool:
        """Whether each published reading is stored once, and nothing else is."""
        counts = (self.readings_lost, self.readings_repeated, self.ledger_lost)
        return self.readings_published > 0 and self.readings_stored == self.readings_published and not any(counts)

    @property
    def failure(self) -> str:
        """What did not come right, empty where all did."""
        if not self.exactly_once:
            return "not every published reading is stored exactly once"
        if self.history is not None and self.history.healed_s is None:
            return told(self.history)
        if self.unknown is not None and not self.unknown.history_complete:
            return "not every kept frame of the unknown meter became readings"
        return ""

    def document(self) -> dict[str, Any]:
        """The JSON object, with `from` spelled as the report's readers expect it."""
        document = self.model_dump(mode="json")
        if document["parameter_change"] is not None:
            document["parameter_change"]["from"] = document["parameter_change"].pop("from_")
        if document["unknown"] is None:
            del document["unknown"]
        return document


STORED = """
SELECT m.key, r.time, s.obis, count(*) AS times
FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
JOIN reading_source o ON o.id = r.source
WHERE o.source <> 'redecoded' AND NOT EXISTS (SELECT FROM source WHERE source.device_id = m.device_id)
GROUP BY 1, 2, 3
"""
"""Readings that devices published; what the platform decoded from kept frames is counted apart, and what third parties
sent to a demo that somebody tries them on is none."""
METERS = """
SELECT d.name AS device, m.protocol, m.manufacturer, m.spec,
       coalesce(m.product, s.document -> 'product' ->> 'name') AS product
FROM meter m JOIN device d ON d.id = m.device_id
LEFT JOIN spec s ON s.name || '@' || s.version = m.spec
WHERE m.parent_id IS NULL AND m.spec IS NOT NULL
ORDER BY d.name, m.key
"""
LATENCY = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - newest_at))::float8 AS p50,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - newest_at))::float8 AS p99
FROM message JOIN meter ON meter.id = message.meter_id
WHERE newest_at IS NOT NULL AND meter.parent_id IS NULL AND NOT EXISTS (
    SELECT FROM reading r JOIN series s ON s.id = r.series_id JOIN reading_source o ON o.id = r.source
    WHERE s.meter_id = meter.id AND r.time = message.newest_at AND o.source = 'profile'
)
"""
"""A gas meter on a P1 port states its value minutes after the fact, and a load profile is of hours ago, so that neither
says anything about the pipeline."""
BY_CERTIFICATE = """
SELECT bool_and(EXISTS (
    SELECT FROM credential c WHERE c.device = d.name AND c.kind = 'certificate' AND c.revoked_at IS NULL
)) AND NOT EXISTS (SELECT FROM credential WHERE kind = 'password') FROM device d
"""
QUARANTINE = "SELECT reason, count(*) AS times FROM frame WHERE reason <> 'requested' GROUP BY 1 ORDER BY 1"
"""What was kept because it gave no reading, not because somebody asked for raw frames."""
LEDGER_LOST = """
SELECT coalesce(sum(missing), 0)::bigint FROM (
    SELECT max(seq) - count(DISTINCT seq) AS missing FROM message GROUP BY device_id, boot
) AS boots
"""


async def count_stored(connection: Connection) -> int:
    """How many published readings the store holds."""
    return sum(row["times"] for row in await connection.fetch(STORED))


async def make_report(
    connection: Connection,
    witness: Witness,
    *,
    enrolled_s: float | None,
    first_reading_s: float | None,
    change: ParameterChange | None,
    history: History | None,
    unknown: Unknown | None,
    versions: dict[str, str],
) -> Report:
    """Hold the witness's readings against the store's, one by one."""
    rows = await connection.fetch(STORED)
    reasons = {row["reason"]: row["times"] for row in await connection.fetch(QUARANTINE)}
    stored = {(row["key"], row["time"], row["obis"]): row["times"] for row in rows}
    p50, p99 = await connection.fetchrow(LATENCY) or (None, None)
    return Report(
        devices_registered=await connection.fetchval("SELECT count(*) FROM device WHERE registered_at IS NOT NULL"),
        meters_identified=[MeterIdentified(**dict(row)) for row in await connection.fetch(METERS)],
        enrolled_s=enrolled_s,
        tls=bool(await connection.fetchval(BY_CERTIFICATE)),
        first_reading_s=first_reading_s,
        readings_published=len(witness.published),
        readings_stored=sum(stored.values()),
        readings_lost=len(witness.published - stored.keys()),
        readings_repeated=sum(stored.values()) - len(stored),
        messages_repeated=witness.repeated_messages,
        ledger_lost=await connection.fetchval(LEDGER_LOST),
        frames_quarantined=sum(reasons.values()),
        quarantine_reasons=reasons,
        latency_p50_s=_rounded(p50),
        latency_p99_s=_rounded(p99),
        parameter_change=change,
        history=history,
        unknown=unknown,
        versions=versions,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
