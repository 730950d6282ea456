"""What `deploy/compose.yaml` starts, started here without Docker: its commands, its environment, its scripts."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from broker.mosquitto import CONFIG_FILE
from broker.session import Publication, Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import Kind, Topics
from deploy.demo.http import Api
from deploy.demo.processes import Service, running
from deploy.local.answers import mqtt_answers
from deploy.local.postgres import PostgresServer
from deploy.local.process import ServerProcess, free_port, own
from deploy.local.stack import LocalStack
from deploy.local.toolchain import Toolchain
from tests.compose_file import DEPLOY, environment, filled

pytestmark = pytest.mark.timeout(240)
TIMEOUT_S = 100.0
PROGRAMS = Path(sys.executable).parent


@dataclass
class Here:
    """The services of the file with this machine's addresses in place of a network of Docker's."""

    services: dict[str, Any]
    postgres: PostgresServer
    broker_folder: Path
    programs: dict[str, str]
    """What images have as `pg_isready`, `mosquitto_sub`, `wget` and `python`, on this machine."""
    broker_port: int = field(default_factory=free_port)
    checked: dict[str, str] = field(default_factory=dict)
    """What each health check said last."""

    def environment(self, name: str, port: int = 0) -> dict[str, str]:
        """A service's environment; `port` in place of the 8080 that each container has to itself."""
        given = dict(self.services[name]["environment"])
        for variable, value in given.items():
            if variable.endswith("_HTTP_PORT"):
                given[variable] = str(port)
            given[variable] = given[variable].replace("@database:5432", f"@127.0.0.1:{self.postgres.port}")
            if variable.endswith("_BROKER__HOST"):
                assert value == "broker"
                given = {**given, variable: "127.0.0.1", variable.replace("HOST", "PORT"): str(self.broker_port)}
        return given

    def run(self, command: list[str], **given: str) -> str:
        """Run something to its end; its environment is what is given, as in a container."""
        kept = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONPATH": str(DEPLOY.parent)}
        done = subprocess.run(
            command, env={**kept, **given}, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def prepare(self, toolchain: Any) -> None:
        """The services that run once, in their order."""
        migrated = await asyncio.to_thread(
            self.run, ["wattline", *self.services["migrate"]["command"]], **self.environment("migrate")
        )
        assert "up to date" in migrated
        words = self.services["database-roles"]["entrypoint"]
        assert words[0] == "psql"
        words = [str(toolchain.postgres_bin / "psql"), *(word.replace("=/", f"={DEPLOY}/") for word in words[1:])]
        there = {"PGHOST": "127.0.0.1", "PGPORT": str(self.postgres.port)}
        given = self.environment("database-roles") | there
        for _ in "ab":
            await asyncio.to_thread(self.run, words, **given)
            await asyncio.to_thread(self.write_broker_files)

    def write_broker_files(self, *users: str) -> str:
        """What broker-files does, with this machine's port; with a user's name its password comes back."""
        shell, script = self.services["broker-files"]["entrypoint"]
        given = {**self.environment("broker-files"), "WATTLINE_BROKER_FOLDER": str(self.broker_folder)}
        said = self.run([shell, f"{DEPLOY}{script}", *users], **given)
        config = self.broker_folder / CONFIG_FILE
        config.write_text(config.read_text().replace("listener 1883 0.0.0.0", f"listener {self.broker_port} 127.0.0.1"))
        for path in (self.broker_folder, *self.broker_folder.iterdir()):
            own(path)
        return said.strip()

    @contextlib.asynccontextmanager
    async def broker(self, toolchain: Any) -> AsyncIterator[ServerProcess]:
        """Mosquitto on the files."""
        command = [toolchain.mosquitto, "-c", self.broker_folder / CONFIG_FILE]
        server = ServerProcess(command, self.broker_folder, orphan_signal="TERM")
        password = self.services["broker"]["environment"]["WATTLINE_MONITOR_BROKER_PASSWORD"]
        answers = partial(mqtt_answers, "127.0.0.1", self.broker_port, "monitor", password)
        await server.start(answers, timeout_s=60)
        try:
            yield server
        finally:
            await server.kill()

    def is_well(self, name: str, port: int) -> bool:
        """The verdict of a service's own health check, with this machine's port in place of the container's."""
        how, *words = self.services[name]["healthcheck"]["test"]
        words = [re.sub(r":(8080|3000)/", f":{port}/", word) for word in words]
        there = f"-h 127.0.0.1 -p {port}"
        if how == "CMD-SHELL":
            program, _, rest = words[0].partition(" ")
            command = ["sh", "-c", f"{self.programs[program]} {there} {rest}"]
        else:
            command = [*self.programs[words[0]].split(), *words[1:]]
            command += there.split()[2:] if words[0] == "pg_isready" else []
        given = {"PATH": os.environ["PATH"], **self.services[name]["environment"]}
        done = subprocess.run(
            command, env=given, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, cwd="/"
        )
        self.checked[name] = done.stdout + done.stderr
        return done.returncode == 0


async def test_the_compose_file_s_platform_stores_a_reading(
    stack: LocalStack, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    """With secrets of its own, each service comes up well, and what a new device sends is what Grafana's role reads."""
    secrets = await asyncio.to_thread(made_secrets, tmp_path)
    folder = stack.folder / f"compose-{own_postgres.port}"
    folder.mkdir()
    here = Here(filled(secrets)["services"], own_postgres, folder, programs(stack.toolchain))
    assert await asyncio.to_thread(here.is_well, "database", own_postgres.port), here.checked
    await here.prepare(stack.toolchain)
    await same_passwords(own_postgres, secrets)
    assert not await asyncio.to_thread(here.is_well, "broker", here.broker_port), "nothing runs there yet"
    logs = tmp_path / "logs"
    logs.mkdir()
    async with contextlib.AsyncExitStack() as exits:
        mosquitto = await exits.enter_async_context(here.broker(stack.toolchain))
        assert await asyncio.to_thread(here.is_well, "broker", here.broker_port), here.checked
        for name in ("ingestor", "worker", "gateway"):
            port = free_port()
            assert not await asyncio.to_thread(here.is_well, name, port), "nothing runs there yet"
            command = here.services[name]["command"]
            service = await exits.enter_async_context(
                running(Service(name, command, here.environment(name, port), logs))
            )
            await Api.wait_url_healthy(f"http://127.0.0.1:{port}/healthz", service.check)
            assert await asyncio.to_thread(here.is_well, name, port), here.checked
        password = await asyncio.to_thread(here.write_broker_files, "pi-north")
        mosquitto.send(signal.SIGHUP)
        async with asyncio.timeout(30):
            while not await mqtt_answers("127.0.0.1", here.broker_port, "pi-north", password):
                await asyncio.sleep(0.1)
        address = BrokerAddress(
            host="127.0.0.1", port=here.broker_port, username="pi-north", password=SecretStr(password)
        )
        await send_reading(address)
        assert await stored(own_postgres) == ("pi-north", "LGZ:1", 0.482)
    assert not await asyncio.to_thread(here.is_well, "broker", here.broker_port), "it is gone"
    assert set(here.checked) == {name for name, service in here.services.items() if "healthcheck" in service} - {
        "grafana"
    }


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
async def test_grafana_s_health_check_tells_well_from_unwell(
    stack: LocalStack, own_postgres: PostgresServer, tmp_path: Path, status: int, well: bool
) -> None:
    """By the wget of its image (busybox), of the one route that Grafana answers without a login."""
    secrets = await asyncio.to_thread(made_secrets, tmp_path)
    here = Here(filled(secrets)["services"], own_postgres, tmp_path, programs(stack.toolchain))

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"database": "ok" if well else "failing", "version": "12.4.0"}, status=status)

    app = web.Application()
    app.router.add_get("/api/health", health)
    async with TestServer(app) as server:
        assert server.port is not None
        assert await asyncio.to_thread(here.is_well, "grafana", server.port) is well, here.checked


def programs(toolchain: Toolchain) -> dict[str, str]:
    """The programs of the health checks; a machine without one of them fails the test."""
    assert toolchain.mosquitto_sub, "mosquitto_sub is missing: install the package mosquitto-clients"
    assert toolchain.busybox, "busybox is missing: install the package busybox"
    return {
        "pg_isready": str(toolchain.postgres_bin / "pg_isready"),
        "mosquitto_sub": str(toolchain.mosquitto_sub),
        "wget": f"{toolchain.busybox} wget",
        "python": sys.executable,
    }


def made_secrets(folder: Path) -> dict[str, str]:
    """A `.env` as a user gets it."""
    (folder / ".env.example").write_text((DEPLOY / ".env.example").read_text())
    subprocess.run(
        ["sh", DEPLOY / "compose" / "secrets.sh", folder], check=True, capture_output=True, timeout=TIMEOUT_S
    )
    return environment(folder / ".env")


async def same_passwords(postgres: PostgresServer, secrets: dict[str, str]) -> None:
    """Each role's password is the one of .env, by PostgreSQL's own word."""
    connection = await asyncpg.connect(postgres.dsn("wattline"), timeout=30)
    try:
        for role in ("ingestor", "gateway", "grafana"):
            verifier = await connection.fetchval(
                "SELECT rolpassword FROM pg_authid WHERE rolname = $1", f"wattline_{role}"
            )
            assert scram_matches(verifier, secrets[f"WATTLINE_{role.upper()}_DB_PASSWORD"])
            assert not scram_matches(verifier, "another")
    finally:
        await connection.close(timeout=30)


def scram_matches(verifier: str, password: str) -> bool:
    """Whether a password is that of a SCRAM verifier (RFC 5803)."""
    _, salted, keys = verifier.split("$")
    iterations, salt = salted.split(":")
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    stored_key = hashlib.sha256(hmac.digest(key, b"Client Key", "sha256")).digest()
    return base64.b64encode(stored_key).decode() == keys.split(":")[0]


async def send_reading(address: BrokerAddress) -> None:
    """One reading of one meter, acknowledged by the broker."""
    at = datetime.now(UTC).replace(microsecond=0)
    samples = [{"at": at.isoformat(), "values": {"1-0:16.7.0": 0.482}}]
    message = {"boot": "b3f1", "seq": 1, "meter": "LGZ:1", "spec": "lgz-e350@3", "clock": "synced", "samples": samples}
    topic = Topics().of(Kind.READINGS, "pi-north")
    async with Session(address, SessionOptions(client_id="pi-north")) as session, asyncio.timeout(60):
        await session.wait_connected()
        await session.publish(Publication(topic, json.dumps(message).encode()))


async def stored(postgres: PostgresServer) -> tuple[str, str, float]:
    """The newest value as the dashboards' role reads it, once it is there."""
    connection = await asyncpg.connect(postgres.dsn("wattline", "wattline_grafana"), timeout=30)
    try:
        async with asyncio.timeout(60):
            while not (row := await connection.fetchrow("SELECT device, meter, value FROM named_reading")):
                await asyncio.sleep(0.1)
        return tuple(row)
    finally:
        await connection.close(timeout=30)
