"""What `deploy/compose.yaml` starts, started here without Docker: its commands, its environment, its scripts."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.mosquitto.config import CONFIG_FILE
from deploy.demo.processes import Service, running
from deploy.local.answers import mqtt_answers
from deploy.local.postgres import PostgresServer
from deploy.local.process import ServerProcess, free_port, own
from deploy.local.stack import LocalStack
from deploy.local.toolchain import Toolchain
from device.enrolment.certificate_file import FILE, stored_in
from device.simulator import SimulatedP1Meter
from tests.rigs.compose_file import DEPLOY, environment, filled
from tests.rigs.waiting import until

pytestmark = pytest.mark.timeout(240)
TIMEOUT_S = 100.0
PROGRAMS = Path(sys.executable).parent


@dataclass
class Here:
    """The services of the file with this machine's addresses and folders in place of Docker's network and volumes."""

    services: dict[str, Any]
    postgres: PostgresServer
    volumes: Path
    programs: dict[str, str]
    """What images have as `pg_isready`, `mosquitto_sub`, `wget` and `python`, on this machine."""
    plugin: Path | None
    ports: dict[int, int] = field(default_factory=lambda: {port: free_port() for port in (1884, 8443, 8883, 8884)})
    """This machine's for those that containers have to themselves."""
    checked: dict[str, str] = field(default_factory=dict)
    """What each health check said last."""

    def __post_init__(self) -> None:
        for volume in (
            "broker",
            "authority",
            "trust",
            "keys",
            "services",
            "ingestor-login",
            "gateway-login",
            "bridge-login",
        ):
            (self.volumes / volume).mkdir()

    @property
    def broker_folder(self) -> Path:
        """The broker's volume."""
        return self.volumes / "broker"

    @property
    def root(self) -> Path:
        """What everybody trusts."""
        return self.volumes / "trust" / "root.pem"

    def trusting(self) -> ssl.SSLContext:
        """TLS of somebody who has that file."""
        return ssl.create_default_context(cafile=self.root)

    def moved(self, name: str, text: str) -> str:
        """A path in a container as it is here, by the volumes that the service mounts."""
        for mount in self.services[name].get("volumes", ()):
            source, _, target = mount.removesuffix(":ro").partition(":")
            if not source.startswith("."):
                text = re.sub(rf"{target}(?![\w-])", str(self.volumes / source), text)
        return text

    def environment(self, name: str, port: int = 0) -> dict[str, str]:
        """A service's environment; `port` in place of the 8080 that each container has to itself."""
        given = {key: self.moved(name, value) for key, value in self.services[name].get("environment", {}).items()}
        for variable, value in list(given.items()):
            if variable.endswith("_HTTP_PORT"):
                given[variable] = str(port)
            given[variable] = given[variable].replace("@database:5432", f"@127.0.0.1:{self.postgres.port}")
            if variable.endswith("_BROKER__HOST"):
                assert value == "broker"
                assert given[variable.replace("HOST", "PORT")] == "1884"
                given |= {variable: "127.0.0.1", variable.replace("HOST", "PORT"): str(self.ports[1884])}
        if name == "gateway":
            given["WATTLINE_GATEWAY_ENROLMENT__PORT"] = str(self.ports[8443])
        if name == "intake":
            given["WATTLINE_INTAKE_HOOKS_PORT"] = "0"
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
        """What broker-files does, with this machine's ports; with a user's name its password comes back."""
        shell, script = self.services["broker-files"]["entrypoint"]
        given = {
            **self.environment("broker-files"), "WATTLINE_AUTHORITY_OWNER": f"{os.getuid()}:{os.getgid()}",
            "WATTLINE_BROKER_ADDRESS": f"127.0.0.1:{self.ports[1884]}", "WATTLINE_BROKER_PLUGIN": str(self.plugin),
        }  # fmt: skip
        said = self.run([shell, f"{DEPLOY}{script}", *users], **given)
        config = self.broker_folder / CONFIG_FILE
        text = config.read_text()
        for inside, here in self.ports.items():
            text = text.replace(f"listener {inside} 0.0.0.0", f"listener {here} 127.0.0.1")
        config.write_text(text)
        for path in (self.broker_folder, *self.broker_folder.iterdir()):
            own(path)
        return said.strip()

    @contextlib.asynccontextmanager
    async def broker(self, toolchain: Any) -> AsyncIterator[ServerProcess]:
        """Mosquitto on the files."""
        command = [toolchain.mosquitto, "-c", self.broker_folder / CONFIG_FILE]
        server = ServerProcess(command, self.broker_folder, orphan_signal="TERM")
        await server.start(partial(asyncio.to_thread, self.is_well, "broker", self.ports[1884]), timeout_s=60)
        try:
            yield server
        finally:
            await server.kill()

    async def lets_in(self, user: str, password: str) -> bool:
        """Whether the broker lets somebody in by a password, over TLS, on the port that is for it."""
        return await mqtt_answers("127.0.0.1", self.ports[8884], user, password, self.trusting())

    def login(self, service: str) -> Path:
        """The certificate by which a service logs in at the broker."""
        variable = f"WATTLINE_{service.upper()}_BROKER__TLS_CERTIFICATE"
        return Path(self.environment(service)[variable])

    def renew(self) -> str:
        """What `certificates` does each day."""
        shell, script, keep = self.services["certificates"]["entrypoint"]
        assert keep == "keep"
        return self.run([shell, f"{DEPLOY}{script}"], **self.environment("certificates"))

    async def takes(self, certificate: Path | None) -> bool:
        """Whether the services' listener lets somebody in by this certificate."""
        context = self.trusting()
        if certificate is not None:
            context.load_cert_chain(certificate)
        return await mqtt_answers("127.0.0.1", self.ports[1884], "ingestor", "", context)

    def claim(self, port: int) -> dict[str, str]:
        """What an image gets of a claim, by the command that pages name."""
        url = f"https://127.0.0.1:{port}"
        token = self.services["gateway"]["environment"]["WATTLINE_GATEWAY_API_TOKEN"]
        given = {"WATTLINE_URL": url, "WATTLINE_TOKEN": token, "SSL_CERT_FILE": str(self.root)}
        said = self.run(["wattline", "claim", "create", "--uses", "5", "--until", "2099-01-01"], **given)
        return dict(line.split("=", 1) for line in said.splitlines())

    def is_well(self, name: str, port: int) -> bool:
        """The verdict of a service's own health check, with this machine's port in place of the container's."""
        how, program, *words = self.services[name]["healthcheck"]["test"]
        assert how == "CMD", "no shell stands between"
        words = [re.sub(r":(8080|3000)/", f":{port}/", self.moved(name, word)) for word in words]
        there = {"pg_isready": ["-p", str(port)], "mosquitto_sub": ["-h", "127.0.0.1", "-p", str(port)]}
        command = [*self.programs[program].split(), *words, *there.get(program, [])]
        given = {"PATH": os.environ["PATH"], **self.environment(name)}
        done = subprocess.run(
            command, env=given, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, cwd="/"
        )
        self.checked[name] = done.stdout + done.stderr
        return done.returncode == 0


async def test_the_compose_file_s_platform_stores_a_reading(
    stack: LocalStack, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    """All come up well, over TLS by an authority of their own; a Pi lets itself in, and Grafana's role reads of it."""
    secrets = await asyncio.to_thread(made_secrets, tmp_path)
    folder = stack.folder / f"compose-{own_postgres.port}"
    folder.mkdir()
    here = Here(filled(secrets)["services"], own_postgres, folder, programs(stack.toolchain), stack.toolchain.plugin)
    assert await asyncio.to_thread(here.is_well, "database", own_postgres.port), here.checked
    await here.prepare(stack.toolchain)
    await same_passwords(own_postgres, secrets)
    assert not await asyncio.to_thread(here.is_well, "broker", here.ports[1884]), "nothing runs there yet"
    logs, ports = tmp_path / "logs", {}
    logs.mkdir()
    async with contextlib.AsyncExitStack() as exits:
        await exits.enter_async_context(here.broker(stack.toolchain))
        assert await asyncio.to_thread(here.is_well, "broker", here.ports[1884]), here.checked
        for name in ("ingestor", "worker", "intake", "bridge", "gateway"):
            port = ports[name] = free_port()
            assert not await asyncio.to_thread(here.is_well, name, port), "nothing runs there yet"
            command = here.services[name]["command"]
            service = Service(name, command, here.environment(name, port), logs)
            await exits.enter_async_context(running(service))
            await until(partial(well, here, name, port, service), f"{name} is well by its own health check")
        assert await asyncio.to_thread(here.write_broker_files) == "", "`up` again, with a broker that runs"
        assert await asyncio.to_thread(here.renew) == "", "nothing is due"
        assert await asyncio.to_thread(here.is_well, "certificates", 0), here.checked
        looked = here.volumes / "services" / "ca.looked"
        os.utime(looked, (0, 0))
        assert not await asyncio.to_thread(here.is_well, "certificates", 0), "it has not looked for days"
        (tmp_path / "before.pem").write_bytes(here.login("ingestor").read_bytes())
        here.login("ingestor").unlink()
        assert "ingestor.pem, until" in await asyncio.to_thread(here.renew)
        assert here.login("ingestor").stat().st_mode & 0o077 == 0
        for pair in (None, tmp_path / "before.pem", here.login("gateway")):
            assert await here.takes(pair) is (pair is not None), "services come by their certificates alone"
        password = await asyncio.to_thread(here.write_broker_files, "pi-old")
        assert await here.lets_in("pi-old", password), "a device with a password is let in at once"
        for port in (*here.ports.values(), ports["gateway"]):
            assert not await mqtt_answers("127.0.0.1", port, "pi-old", password), "and nowhere in plain"
        claim = await asyncio.to_thread(here.claim, ports["gateway"])
        meter = await exits.enter_async_context(SimulatedP1Meter(serial="E0044007133156018", seed=1, interval_s=1.0))
        await exits.enter_async_context(running(pi(here, claim, str(meter.port), tmp_path)))
        assert await stored(own_postgres) == ("pi-north", "ISK:E0044007133156018")
        held = stored_in(tmp_path / "pi-north" / "enrolment" / FILE)
        assert held is not None
        assert held.identity == "pi-north"
    assert not await asyncio.to_thread(here.is_well, "broker", here.ports[1884]), "it is gone"
    assert set(here.checked) == {name for name, service in here.services.items() if "healthcheck" in service} - {
        "grafana"
    }


async def well(here: Here, name: str, port: int, service: Service) -> bool:
    """Whether a service that runs is well."""
    service.check()
    return await asyncio.to_thread(here.is_well, name, port)


def pi(here: Here, claim: dict[str, str], meter: str, folder: Path) -> Service:
    """A Pi with an image as docs/ENROLMENT.md makes it: addresses, the CA, a claim, and no password."""
    environment = claim | {
        "WATTLINE_DEVICE_BROKER__HOST": "localhost",
        "WATTLINE_DEVICE_BROKER__PORT": str(here.ports[8883]),
        "WATTLINE_DEVICE_ENROL__URL": f"https://localhost:{here.ports[8443]}",
        "WATTLINE_DEVICE_ENROL__AUTHORITY": str(here.root),
        "WATTLINE_DEVICE_DEVICE_ID": "pi-north",
        "WATTLINE_DEVICE_PORTS": meter,
        "WATTLINE_DEVICE_DATA_FOLDER": str(folder / "pi-north"),
        "WATTLINE_DEVICE_HTTP_PORT": "0",
    }
    return Service("device", ["device"], environment, folder / "logs")


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
async def test_grafana_s_health_check_tells_well_from_unwell(
    stack: LocalStack, own_postgres: PostgresServer, tmp_path: Path, status: int, well: bool
) -> None:
    """By the wget of its image (busybox), of the one route that Grafana answers without a login."""
    secrets = await asyncio.to_thread(made_secrets, tmp_path)
    here = Here(filled(secrets)["services"], own_postgres, tmp_path, programs(stack.toolchain), stack.toolchain.plugin)

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
        for role in ("ingestor", "gateway", "intake", "grafana"):
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


async def stored(postgres: PostgresServer) -> tuple[str, str]:
    """Whose a value is, as the dashboards' role reads it, once one is there."""
    connection = await asyncpg.connect(postgres.dsn("wattline", "wattline_grafana"), timeout=30)
    try:
        async with asyncio.timeout(90):
            while not (row := await connection.fetchrow("SELECT device, meter FROM named_reading LIMIT 1")):
                await asyncio.sleep(0.1)
        return tuple(row)
    finally:
        await connection.close(timeout=30)
