"""What `deploy/compose.yaml` starts, started here without Docker: its commands, its environment, its scripts."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from broker.mosquitto import CONFIG_FILE
from broker.session import Publication, Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import Kind, Topics
from deploy.demo.http import Api
from deploy.demo.processes import Service, running
from deploy.local.postgres import PostgresServer
from deploy.local.process import ServerProcess, free_port, own, until
from deploy.local.stack import LocalStack
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
    broker_port: int = field(default_factory=free_port)

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
        await server.start(lambda: "running" in server.log_tail(0, 40), timeout_s=60)
        try:
            yield server
        finally:
            await server.kill()

    def check_health(self, name: str, port: int) -> None:
        """Run the service's own health check."""
        how, python, *words = self.services[name]["healthcheck"]["test"]
        assert (how, python) == ("CMD", "python")
        self.run([sys.executable, *(word.replace(":8080", f":{port}") for word in words)])


async def test_the_compose_file_s_platform_stores_a_reading(
    stack: LocalStack, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    """With secrets of its own, each service comes up well, and what a new device sends is what Grafana's role reads."""
    secrets = await asyncio.to_thread(made_secrets, tmp_path)
    folder = stack.folder / f"compose-{own_postgres.port}"
    folder.mkdir()
    here = Here(filled(secrets)["services"], own_postgres, folder)
    await here.prepare(stack.toolchain)
    await same_passwords(own_postgres, secrets)
    logs = tmp_path / "logs"
    logs.mkdir()
    async with contextlib.AsyncExitStack() as exits:
        mosquitto = await exits.enter_async_context(here.broker(stack.toolchain))
        for name in ("ingestor", "worker", "gateway"):
            port = free_port()
            command = here.services[name]["command"]
            service = await exits.enter_async_context(
                running(Service(name, command, here.environment(name, port), logs))
            )
            await Api.wait_url_healthy(f"http://127.0.0.1:{port}/healthz", service.check)
            await asyncio.to_thread(here.check_health, name, port)
        password = await asyncio.to_thread(here.write_broker_files, "pi-north")
        mosquitto.send(signal.SIGHUP)
        await until(lambda: "Reloading config" in mosquitto.log_tail(0, 200), timeout_s=30)
        address = BrokerAddress(
            host="127.0.0.1", port=here.broker_port, username="pi-north", password=SecretStr(password)
        )
        await send_reading(address)
        assert await stored(own_postgres) == ("pi-north", "LGZ:1", 0.482)


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
