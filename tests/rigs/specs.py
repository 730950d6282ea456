"""Specs for tests of their life: one for the meter that no shipped product's spec fits."""

from typing import Any

from meters.wires.encode.p1 import encode_p1
from tests.rigs.gateway import Gateway, connection
from tests.rigs.servers import Database

KEY = "KFM:E0026000123456789"
HEADER = "ZZZ5\\UNHEARD-OF"


def telegram(kwh: str = "001234.567", kw: str = "00.482") -> bytes:
    """A push of that meter."""
    return encode_p1(HEADER, [f"1-0:1.8.0({kwh}*kWh)", f"1-0:1.7.0({kw}*kW)"])


def acme(
    name: str = "acme-one",
    version: int = 1,
    *,
    match: str = "identification: 'ZZZ5*'",
    kw: str = "0.482",
    more: str = "",
) -> str:
    """A spec of that meter; `kw` is what its golden states."""
    return f"""# Written by hand.
name: {name}
version: {version}
product: {{manufacturer: ZZZ, name: One}}
match: {{protocol: p1, {match}}}
source: [a test]
standard: true
{more}
goldens:
  - name: import
    source: composed
    frame: {{hex: '{telegram().hex()}'}}
    values: {{'1-0:1.8.0': '1234.567', '1-0:1.7.0': '{kw}'}}
"""


async def post(running: Gateway, path: str, text: str = "", **query: str) -> tuple[int, dict[str, Any]]:
    """POST a document as YAML."""
    async with running.http.post(f"{running.url}/api/v1{path}", data=text.encode(), params=query) as response:
        return response.status, await response.json(content_type=None)


async def published(running: Gateway, text: str, **query: str) -> dict[str, Any]:
    """Publish a document, which must succeed."""
    status, document = await post(running, "/specs", text, publish="true", **query)
    assert status == 200, document
    return document


async def keep_frames(database: Database, meter: str, frames: list[bytes], reason: str = "requested") -> None:
    """Enter raw frames of a meter as the ingestor does, the last one newest."""
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO frame (received_at, at, device_id, meter_id, topic, kind, reason, port, protocol, data, "
            "delivery) SELECT s.at, s.at, m.device_id, m.id, 't', 'frame', $3, coalesce(m.port, ''), m.protocol, "
            "f.data, gen_random_uuid() FROM meter m, unnest($2::bytea[]) WITH ORDINALITY AS f (data, n), "
            "LATERAL (SELECT now() - (cardinality($2::bytea[]) - n) * INTERVAL '1 second' AS at) s WHERE m.key = $1",
            meter,
            frames,
            reason,
        )
