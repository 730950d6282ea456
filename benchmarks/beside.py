"""Telegraf and the ingestor in turns, on one broker and one database, with the same readings: messages a second.

Both come to the broker over TLS, as services are deployed. Telegraf is no part of Wattline: `--telegraf` names one that
was built elsewhere, with the plugins `mqtt_consumer`, `postgresql` and the Influx parser.
"""

import asyncio
import contextlib
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import click

from benchmarks.packets import Connection, Form, Load
from benchmarks.pipeline import POLL_S, Rig, devices, generator, ingestor, live, measure_size, with_commit_times
from broker.contract.topics import Kind, Topics, shared
from broker.errors import WattlineError
from broker.runtime.service import configure_logging
from deploy.demo.http import Api
from deploy.demo.processes import running
from deploy.local.process import ServerError, ServerProcess
from deploy.local.stack import LocalStack
from store.migrate import migrate

DEVICES = 200
VALUES = 10
TOPICS = Topics("telegraf/v1")
"""Apart from ours, so that neither gets what is meant for the other."""
DEADLINE_S = 120.0
_WORD = secrets.token_hex(8)
_TABLE = Path(__file__).with_name("queries") / "telegraf_table.sql"
_CONFIG = """
[agent]
  metric_batch_size = 10000
  metric_buffer_limit = 500000
  flush_interval = "1s"
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["ssl://{host}:{port}"]
  tls_ca = "{authority}"
  topics = ["{topic}"]
  topic_tag = ""
  qos = 1
  max_undelivered_messages = 20000
  client_id = "wattline-telegraf"
  username = "wattline-telegraf"
  password = "{password}"
  data_format = "influx"
[[outputs.postgresql]]
  connection = "{dsn}?pool_max_conns=2"
  schema = "telegraf"
  timestamp_column_type = "timestamp with time zone"
  create_templates = []
  add_column_templates = []
"""


@click.command()
@click.option(
    "--telegraf", required=True, type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
)
@click.option("--messages", default=200_000, show_default=True, help="Messages of 10 values a round.")
@click.option("--rounds", default=7, show_default=True, help="Rounds of each, in turns.")
def main(telegraf: Path, messages: int, rounds: int) -> None:
    """Measure both and say how many times as fast the ingestor is."""
    configure_logging("warning")
    try:
        asyncio.run(_measure(telegraf, messages // DEVICES, rounds))
    except WattlineError as error:
        sys.exit(f"wattline bench: {error}")


async def _measure(telegraf: Path, messages: int, rounds: int) -> None:
    async with contextlib.AsyncExitStack() as exits:
        stack = await exits.enter_async_context(LocalStack.start(tls=True))
        await with_commit_times(stack.postgres)
        await migrate(stack.postgres.dsn())
        await stack.mosquitto.add_root(TOPICS)
        await stack.mosquitto.add_users({"wattline-telegraf": _WORD}, role="ingestor", bound=False)
        connection = await asyncpg.connect(stack.postgres.dsn(), timeout=15)
        exits.push_async_callback(connection.close)
        some = await devices(stack, DEVICES)
        ours, theirs = [], []
        for number in range(rounds):
            theirs.append(await _telegraf(telegraf, stack, connection, live(some, VALUES, messages, f"{number:04x}be")))
            ours.append(await _ingestor(stack, connection, some, messages, number))
            click.echo(f"Telegraf {theirs[-1]:8,.0f}   ours {ours[-1]:8,.0f}   {ours[-1] / theirs[-1]:.2f}")
    parts = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    click.echo(
        f"Telegraf {min(theirs):,.0f} to {max(theirs):,.0f}, ours {min(ours):,.0f} to {max(ours):,.0f} messages/s; "
        f"{min(parts):.2f} to {max(parts):.2f} times, {sum(ours) / sum(theirs):.2f} on the whole, "
        f"median {statistics.median(parts):.2f}"
    )


async def _ingestor(
    stack: LocalStack, connection: asyncpg.Connection, some: tuple[Connection, ...], messages: int, number: int
) -> float:
    service, url = ingestor(stack, stack.folder)
    async with running(service):
        await Api.wait_url_healthy(f"{url}/healthz", service.check)
        rig = Rig(stack, connection, service)
        # names are looked up once in a device's life: not what is measured here
        await measure_size(rig, live(some, VALUES, 1, f"{number:04x}aa"))
        return (await measure_size(rig, live(some, VALUES, messages, f"{number:04x}bb"))).messages_s


async def _telegraf(binary: Path, stack: LocalStack, connection: asyncpg.Connection, load: Load) -> float:
    await connection.execute(_TABLE.read_text())
    async with (
        _running(binary, stack) as process,
        generator(stack, replace(load, form=Form.INFLUX), TOPICS.root) as sending,
    ):
        await sending.go()
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            # what is in flight when all is sent is a few thousand rows: counting them does not disturb
            if await connection.fetchval("SELECT count(*) FROM telegraf.reading") >= load.rows:
                return load.total / (time.time() - sending.result["began"])
            await asyncio.sleep(POLL_S)
    raise ServerError("telegraf", f"stored less than {load.rows} rows in {DEADLINE_S:g} s", process.log_tail(0))


@contextlib.asynccontextmanager
async def _running(binary: Path, stack: LocalStack) -> AsyncIterator[ServerProcess]:
    folder = stack.folder / "telegraf"
    folder.mkdir(exist_ok=True)
    config = folder / "telegraf.conf"
    mosquitto = stack.mosquitto
    config.write_text(
        _CONFIG.format(
            host=mosquitto.host,
            port=mosquitto.password_port,
            authority=stack.folder / "tls" / "chain.pem",
            topic=shared("telegraf", TOPICS.every(Kind.READINGS)),
            password=_WORD,
            dsn=stack.postgres.dsn(),
        )
    )
    process = ServerProcess([binary, "--config", config], folder, orphan_signal="KILL", as_owner=True)
    process.log_path.write_bytes(b"")

    async def subscribed() -> bool:
        return "Connected [ssl" in process.log_path.read_text(errors="replace")

    await process.start(subscribed, timeout_s=20)
    try:
        yield process
    finally:
        await process.kill()


if __name__ == "__main__":
    main()
