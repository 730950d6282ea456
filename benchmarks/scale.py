"""`python -m benchmarks.scale`: what docs/SCALE.md reckons with: bytes of a message, a row and a connection."""

import asyncio
import json
from pathlib import Path

import click
import psutil

from benchmarks.packets import Load, connect, field, payloads, publish, remaining_length
from broker.contract.identity import MONITOR
from broker.contract.topics import Kind, Topics
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from store.migrate import connect as connect_database
from store.migrate import migrate

CONNECTIONS = 5_000
ROWS = 1_000_000
_VALUES = (1, 10, 100)
_FILL = """
INSERT INTO device (name) SELECT 'pi-' || n FROM generate_series(1, 1000) n;
INSERT INTO meter (key, device_id, spec) SELECT 'TST:' || id, id, 'test@1' FROM device;
INSERT INTO series (meter_id, obis, unit, kind) SELECT m.id, '1-0:' || n || '.7.0', 'kW', 'instantaneous'
    FROM meter m, generate_series(1, 10) n;

INSERT INTO reading (time, value, series_id, source)
    SELECT '2026-11-20T00:00:00Z'::timestamptz + t * interval '15 minutes', t, s.id, 0
    FROM generate_series(1, {rows} / 10000) t, series s ORDER BY 1, 3;

INSERT INTO message (received_at, newest_at, seq, device_id, meter_id, rows, kind, boot, spec)
    SELECT '2026-11-20T00:00:00Z'::timestamptz + t * interval '15 minutes', '2026-11-20T00:00:00Z', t, m.device_id,
           m.id, 10, 1, 'b3f1a2c4', 'lgz-e350@3'
    FROM generate_series(1, {rows} / 1000) t, meter m ORDER BY 1;
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the JSON.")
def main(report: Path | None) -> None:
    """Measure them, in a minute or so."""
    found = asyncio.run(_measure())
    text = json.dumps(found, indent=1)
    if report is not None:
        report.write_text(text + "\n")
    click.echo(text)


async def _measure() -> dict[str, object]:
    async with LocalStack.start(None, durable=True, settings=LocalSettings(), progress=click.echo) as stack:
        return {
            "message_bytes": {str(values): _message_bytes(values) for values in _VALUES},
            "row_bytes": await _row_bytes(stack),
            "broker_bytes_a_connection": await _connection_bytes(stack),
        }


def _message_bytes(values: int) -> dict[str, int]:
    """Of one readings message: its JSON, and its PUBLISH, without TCP, IP and TLS."""
    payload = next(iter(payloads(Load(values, 1, (), "2026-11-20T00:00:00+00:00"), "LGZ:00012345")))
    topic = Topics().of(Kind.READINGS, "bench-0000")
    return {"json": len(payload), "publish": len(publish(topic, payload, 1))}


async def _row_bytes(stack: LocalStack) -> dict[str, float]:
    await stack.postgres.create_database("scale")
    await migrate(stack.postgres.dsn("scale"))
    connection = await connect_database(stack.postgres.dsn("scale"))
    try:
        names, readings, messages = _FILL.format(rows=ROWS).split(";\n\n")
        await connection.execute(names)
        found = {}
        for table, statement in (("reading", readings), ("message", messages)):
            before = await connection.fetchval("SELECT pg_current_wal_lsn()")
            await connection.execute(statement)
            written = await connection.fetchval("SELECT pg_current_wal_lsn() - $1::pg_lsn", before)
            found[f"{table}_wal"] = round(float(written) / ROWS, 1)
            found[table] = round(await connection.fetchval("SELECT hypertable_size($1::regclass)", table) / ROWS, 1)
        return found
    finally:
        await connection.close()


async def _connection_bytes(stack: LocalStack) -> int:
    """What a device that is connected, subscribed as an agent is, and quiet costs Mosquitto, without the kernel's."""
    process, topics = psutil.Process(stack.mosquitto.pid), Topics()
    word = stack.mosquitto.credentials[MONITOR]
    before = process.memory_info().rss
    opened = []
    for number in range(CONNECTIONS):
        name = f"idle-{number}"
        reader, writer = await asyncio.open_connection(stack.mosquitto.host, stack.mosquitto.port)
        writer.write(connect(name, MONITOR, word))
        filters = (topics.of(Kind.DESIRED, name), topics.of(Kind.RECEIPTS, name), topics.commands_of(name))
        body = b"\0\1\0" + b"".join(field(one.encode()) + b"\1" for one in filters)
        writer.write(b"\x82" + remaining_length(len(body)) + body)
        opened.append((reader, writer))
    for reader, _ in opened:
        head = await reader.readexactly(4)
        await reader.readexactly(head[1] - 2)
        if head[3] or (await reader.readexactly(8))[-3:] != b"\1\1\1":
            raise click.ClickException("the broker refuses a connection or a subscription")
    after = process.memory_info().rss
    for _, writer in opened:
        writer.transport.abort()
    return (after - before) // CONNECTIONS


if __name__ == "__main__":
    main()
