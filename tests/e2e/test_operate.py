"""README's Operate and the pages on backup, upgrade and uninstalling, followed word by word on servers of one's own."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import sys
import sysconfig
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from deploy.demo.http import Api
from deploy.local.postgres import PostgresServer
from deploy.local.process import free_port, own
from deploy.local.settings import LocalSettings, server_account
from deploy.local.stack import LocalStack
from tests.rigs.pages import TOP, blocks, commands, section
from tests.rigs.systemd import Systemd

pytestmark = pytest.mark.timeout(600)
HBA = """local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
SERVICES = (8080, 8081, 8082)
PORTS = (*SERVICES, 8443, 8883, 8884)
_PLACES = re.compile(r"(?<![\w.$}/-])/(etc|opt|var/lib|var/backups|tmp/wattline|usr/sbin/mosquitto)(?![\w])")

_DESIRED = "SELECT device, desired_version FROM config_state ORDER BY device"


def _modes(folder: Path) -> dict[Path, tuple[int, int]]:
    """Each file's mode and owner."""
    found = ((path.relative_to(folder), path.stat()) for path in folder.rglob("*"))
    return {path: (facts.st_mode, facts.st_uid) for path, facts in found}


@dataclass
class Ground:
    """Where the commands run: a folder that stands for /, and this machine's free ports for the usual ones."""

    root: Path
    postgres: PostgresServer
    stack: LocalStack
    services_port: int = field(default_factory=free_port)
    ports: dict[int, int] = field(default_factory=lambda: {port: free_port() for port in PORTS})
    before_backup: int = 0
    desired: list[asyncpg.Record] = field(default_factory=list)

    def moved(self, text: str) -> str:
        """The text with its paths below the root and with our ports."""
        text = _PLACES.sub(lambda found: f"{self.root}{found[0]}", text)
        for usual, ours in self.ports.items():
            text = re.sub(rf"\b{usual}\b", str(ours), text)
        return text

    def command(self, line: str) -> str:
        """A command as it runs here: without what this machine has in place of Debian 13's accounts and its network."""
        account = server_account()
        owner = f" --owner {account.pw_name}" if account else ""
        line = line.replace("runuser -u postgres -- ", "")
        line = line.replace("chown -R mosquitto: ", f"chown -R {account.pw_name}: " if account else "test -d ")
        line = re.sub(r"(secrets\.sh /etc/wattline)$", rf"\1 127.0.0.1:{self.postgres.port}/wattline", line)
        if line.startswith("sh deploy/systemd/secrets.sh"):
            line += f" && sed -i 's/BROKER__PORT=1884/BROKER__PORT={self.services_port}/' /etc/wattline/*.env"
        # a machine under load may take longer than a person's patience
        line = re.sub(r"^sleep 20$", "checkpoint heard", line)
        listen = (
            f" --host 127.0.0.1 --port {self.ports[8883]} --services-port {self.services_port}"
            f" --plugin {self.stack.toolchain.plugin}"
        )
        line = re.sub(r"(wattline broker config)", rf"\1{listen}{owner}", line)
        line = re.sub(r"(wattline broker add-user)", rf"\1{owner}", line)
        places = (
            f" --dsn postgresql://postgres@127.0.0.1:{self.postgres.port}/wattline --settings /etc/wattline"
            " --certificates /etc/mosquitto/certs --broker /var/lib/mosquitto/wattline"
            " --authority /var/lib/wattline-gateway/ca"
        )
        line = re.sub(r"(wattline (?:backup|restore))", rf"\1{places}", line)
        pinned = re.fullmatch(r"/opt/wattline/bin/pip install --require-hashes -r (\S+) -r (\S+)", line)
        if pinned:
            # the same pins, as this environment has them (tests/packaging says so), without a download
            site, here = "/opt/wattline/lib/python*/site-packages/", sysconfig.get_paths()["purelib"]
            line = f"test -s {pinned[1]} -a -s {pinned[2]} && for d in {site}; do echo {here} > $d/pinned.pth; done"
        return self.moved(line).replace("tar -C / ", f"tar -C {self.root} ")

    def script(self) -> str:
        """All pages in one shell, as one person goes through them."""
        lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
        for page, heading, until, checkpoint in (
            ("README.md", "Operate", "**With Docker**", "operated"),
            ("docs/BACKUP.md", "Backup", "", "backed up"),
            ("docs/BACKUP.md", "Restore", "", "restored"),
            ("docs/UPGRADE.md", "The server", "", "upgraded"),
        ):
            for block in blocks(section(page, heading, until)):
                lines += ["set -x", *map(self.command, commands(block)), "{ set +x; } 2>/dev/null"]
            lines.append(f"checkpoint '{checkpoint}'")
        # the agent beside the server is no part of what is uninstalled
        lines += ["kill $(jobs -p)", "wait || true", "set -x"]
        whole = (TOP / "docs/UNINSTALL.md").read_text("utf-8")
        lines += [self.command(line) for block in blocks(whole) for line in commands(block)]
        return "\n".join([*lines, "{ set +x; } 2>/dev/null", "checkpoint uninstalled", ""])

    def environment(self, programs: Path) -> dict[str, str]:
        """What the operator's shell has here beside a plain one's: where our servers are."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLINE_", "PG"))}
        path = [programs, self.stack.toolchain.postgres_bin, Path(sys.executable).parent]
        return kept | {
            "PATH": ":".join([*map(str, path), os.environ["PATH"]]),
            "PGHOST": str(self.root / "run/postgresql"),
            "PGPORT": str(self.postgres.port),
            "PGUSER": "postgres",
            "WATTLINE_DEVICE_HTTP_PORT": "0",
            "WATTLINE_URL": f"http://127.0.0.1:{self.ports[8080]}",
        }

    def given(self) -> dict[str, str]:
        """What services are told of this machine's ports."""
        names = zip(("GATEWAY", "INGESTOR", "WORKER"), SERVICES, strict=True)
        given = {f"WATTLINE_{name}_HTTP_PORT": str(self.ports[port]) for name, port in names}
        return given | {"WATTLINE_GATEWAY_ENROLMENT__PORT": str(self.ports[8443])}

    async def fetch(self, query: str, user: str = "postgres") -> list[asyncpg.Record]:
        """Ask the database."""
        connection = await asyncpg.connect(
            host=str(self.root / "run/postgresql"), port=self.postgres.port, user=user, database="wattline", timeout=30
        )
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close(timeout=30)

    async def fresh_reading(self) -> None:
        """Wait until all services are well, and for a reading that is newer than now, as Grafana's role sees it."""
        for port in SERVICES:
            await Api.wait_url_healthy(f"http://127.0.0.1:{self.ports[port]}/healthz", lambda: None)
        (row,) = await self.fetch("SELECT now() AS at")
        query = "SELECT max(time) AS at FROM named_reading WHERE device = 'pi-north'"
        async with asyncio.timeout(90):
            while (await self.fetch(query, "wattline_grafana"))[0]["at"] <= row["at"]:
                await asyncio.sleep(0.5)

    async def heard(self) -> None:
        """Where README waits for a moment: the first readings."""
        async with asyncio.timeout(150):
            while not await self.fetch("SELECT 1 FROM latest_reading LIMIT 1", "wattline_grafana"):
                await asyncio.sleep(0.5)

    async def operated(self) -> None:
        """After README: readings come, the parameter is in force, all that serves can be run by another account."""
        await self.fresh_reading()
        (state,) = await self.fetch(
            "SELECT desired_version, reported_version FROM config_state WHERE device = 'pi-north'"
        )
        assert state["desired_version"] == state["reported_version"] > 1
        self.readable()
        (login,) = await self.fetch("SELECT identity, kind FROM credential WHERE device = 'pi-north'")
        assert tuple(login) == ("pi-north", "certificate"), "it has let itself in"
        for path in (self.root / "etc/wattline").iterdir():
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
        for folder in ("var/lib/mosquitto/wattline", "tmp/wattline-pi"):
            for path in (self.root / folder).rglob("*"):
                assert path.stat().st_mode & 0o007 == 0, f"{path} can be read by others"

    def readable(self) -> None:
        """A unit's service runs under an account of its own, which must be able to read the program."""
        for path in (self.root / "opt").rglob("*"):
            assert path.is_symlink() or path.stat().st_mode & 0o004, f"{path} can't be read by a service's account"

    async def backed_up(self) -> None:
        """After the backup: how many readings it must have, and the broker's files are in it."""
        (row,) = await self.fetch("SELECT count(*) AS n FROM reading WHERE time < now() - interval '15 s'")
        self.before_backup = row["n"]
        assert self.before_backup > 0
        self.desired = await self.fetch(_DESIRED)
        assert (self.root / "var/lib/mosquitto/wattline/mosquitto.db").exists()
        (backup,) = (self.root / "var/backups/wattline").iterdir()
        assert backup.stat().st_mode & 0o077 == 0
        await self.fetch("CREATE TABLE made_after_the_backup ()")

    async def restored(self) -> None:
        """After the restore: what was there is there, nothing newer, and readings go on."""
        (row,) = await self.fetch("SELECT count(*) AS n, to_regclass('made_after_the_backup') AS newer FROM reading")
        assert row["n"] >= self.before_backup
        assert row["newer"] is None
        assert await self.fetch(_DESIRED) == self.desired
        for name in ("etc/wattline", "var/lib/mosquitto/wattline", "var/lib/wattline-gateway/ca"):
            before, now = self.root / f"{name}.before", self.root / name
            assert _modes(now) == {path: mode for path, mode in _modes(before).items() if path.suffix != ".new"}
        assert await self.fetch("SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_name = 'reading'")
        await self.fresh_reading()

    async def upgraded(self) -> None:
        """After the upgrade readings go on."""
        self.readable()
        await self.fresh_reading()


@contextlib.asynccontextmanager
async def ground(stack: LocalStack) -> AsyncIterator[Ground]:
    """A machine with Debian's servers as they come: PostgreSQL without TimescaleDB loaded, its configuration empty."""
    root = stack.folder / f"operate-{secrets.token_hex(3)}"
    for name in (
        "run/postgresql", "var/lib/mosquitto", "etc/mosquitto/certs", "etc/postgresql/17/main/conf.d",
        "etc/systemd/system", "tmp",
    ):  # fmt: skip
        (root / name).mkdir(parents=True)
    own(root / "run/postgresql")
    own(root / "var/lib/mosquitto")
    settings = {
        "shared_buffers": "64MB",
        "shared_preload_libraries": "",
        "unix_socket_directories": str(root / "run/postgresql"),
        "include_dir": str(root / "etc/postgresql/17/main/conf.d"),
    }
    postgres = PostgresServer(
        stack.toolchain, root / "postgres", cache=LocalSettings().cache, durable=False, settings=settings
    )
    await postgres.start()
    try:
        (postgres.folder / "pg_hba.conf").write_text(HBA)
        await postgres.restart()
        yield Ground(root, postgres, stack)
    finally:
        await postgres.kill()
        shutil.rmtree(root, ignore_errors=True)


async def test_an_operator_who_follows_the_pages_gets_there(stack: LocalStack) -> None:
    """From a clone to readings, a backup and its restore, an upgrade, and nothing left in the end."""
    async with ground(stack) as here:
        programs = here.root / "programs"
        programs.mkdir()
        uninstalled: list[bool] = []

        async def gone() -> None:
            uninstalled.append(True)

        systemd = Systemd(
            here.root, here.postgres, stack.toolchain.mosquitto, here.services_port, here.moved, here.given(),
            {"heard": here.heard, "operated": here.operated, "backed up": here.backed_up, "restored": here.restored,
             "upgraded": here.upgraded, "uninstalled": gone},
        )  # fmt: skip
        systemd.install(programs)
        async with systemd.serving():
            shell = await asyncio.create_subprocess_exec(
                "bash", "-c", here.script(), cwd=TOP, env=here.environment(programs),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            said, _ = await asyncio.wait_for(shell.communicate(), 500)
        assert shell.returncode == 0, f"{said.decode(errors='replace')[-6000:]}\n{logs(here.root)}"
        assert uninstalled
        assert not systemd.running
        assert not systemd.enabled
        for place in ("etc/wattline", "opt/wattline", "var/lib/mosquitto/wattline", "var/lib/wattline-gateway"):
            assert not (here.root / place).exists()
        assert not list((here.root / "etc/mosquitto/certs").iterdir())
        assert [path.name for path in (here.root / "etc/systemd/system").rglob("*.*") if path.is_file()] == []
        connection = await asyncpg.connect(here.postgres.dsn("postgres"), timeout=30)
        left = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'wattline%'")
        await connection.close(timeout=30)
        assert left == []


def logs(root: Path) -> str:
    """The last words of each service."""
    return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in root.rglob("*.log"))
