"""An intake as a process of its own, sources in its database, and senders."""

import asyncio
import base64
import contextlib
import hmac
import io
import json
import os
import re
import secrets
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from deploy.local.process import free_port
from store.meter_keys import MasterKeys, new_master_keys
from store.source_settings import SourceSecret, SourceSettings, device_of, seal_secret
from tests.rigs import forking
from tests.rigs.servers import Database
from tests.rigs.waiting import until

DEADLINE_S = 60.0
WORD = "whsec_" + base64.b64encode(b"a secret of 24 bytes, so").decode()


async def add_source(
    dsn: str, keys: MasterKeys, name: str, document: dict[str, Any] | None = None, word: str = WORD, before: str = ""
) -> None:
    """Enter a source and the device that stands for it, or change it."""
    settings = SourceSettings.model_validate({"signature_style": "standard"} | (document or {}))
    until = datetime.now(UTC) + timedelta(days=1)
    secret = SourceSecret(word, before, until) if before else SourceSecret(word)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("INSERT INTO device (name) VALUES ($1) ON CONFLICT DO NOTHING", device_of(name))
        await connection.execute(
            "INSERT INTO source (name, kind, device_id, settings, secret, master, created_by) "
            "SELECT $1, 'hook', id, $3, $4, $5, 'test' FROM device WHERE name = $2 "
            "ON CONFLICT (name) DO UPDATE SET settings = $3, secret = $4, master = $5",
            name,
            device_of(name),
            settings.model_dump_json(),
            seal_secret(keys, name, secret) if settings.auth != "mtls" else None,
            keys.newest,
        )
    finally:
        await connection.close()


def signed(body: bytes, key: str | None = None, word: str = WORD, at_s: float | None = None) -> dict[str, str]:
    """Headers of Standard Webhooks for a body."""
    key = key or f"msg_{secrets.token_hex(8)}"
    stamp = str(int(time.time() if at_s is None else at_s))
    secret = base64.b64decode(word.removeprefix("whsec_"))
    digest = hmac.digest(secret, f"{key}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": key,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@dataclass
class Intake:
    """A process of the intake; `url` is where senders come, `health` where /healthz and /metrics are."""

    dsn: str
    folder: Path
    changes: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    keys: MasterKeys = field(default_factory=new_master_keys)
    _process: forking.Process | None = None

    @property
    def url(self) -> str:
        """Where senders come."""
        scheme = "https" if "TLS__CERTIFICATE" in self.changes else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it logged."""
        path = self.folder / "intake.log"
        return path.read_text() if path.exists() else ""

    async def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it takes posts."""
        keys = self.folder / "master-keys"
        if not keys.exists():
            self.keys.write(keys)
        given = {
            "DATABASE_DSN": self.dsn,
            "METER_KEYS_FILE": str(keys),
            "HTTP_PORT": str(self.health_port),
            "HOOKS_PORT": str(self.port),
            "SOURCES_EVERY_S": "0.1",
            "LOG_FORMAT": "json",
        } | self.changes
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLINE_", "COVERAGE"))}
        environment = kept | {f"WATTLINE_INTAKE_{name}": value for name, value in given.items()}
        with (self.folder / "intake.log").open("ab") as log:
            self._process = await forking.start("intake.hooks", env=environment, stdout=log, stderr=log)
        if ready:
            await until(self._takes, f"the intake takes posts: {self.folder}")

    async def _takes(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log
        with contextlib.suppress(aiohttp.ClientError, OSError):
            connector = aiohttp.TCPConnector(ssl=False)
            async with aiohttp.ClientSession(connector=connector) as http, http.get(f"{self.url}/healthz") as got:
                return got.status == 200
        return False

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; returns its exit status."""
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            return await process.wait()

    async def metrics(self) -> dict[str, float]:
        """Its metrics by name with labels."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.health_port}/metrics") as got:
            text = await got.text()
        return {name: float(value) for name, value in re.findall(r"^(wattline_\S+) (\S+)$", text, re.MULTILINE)}


@contextlib.asynccontextmanager
async def intake(database: Database, folder: Path, dsn: str = "", **changes: str) -> AsyncIterator[Intake]:
    """A running intake with a source `head-end` by Standard Webhooks that may send as fast as it likes."""
    one = Intake(dsn or database.dsn("wattline_intake"), folder, changes)
    await add_source(
        database.dsn(),
        one.keys,
        "head-end",
        {"posts_per_second": 100_000, "burst": 1_000_000, "bytes_per_second": 2**30},
    )
    await one.start()
    try:
        yield one
    finally:
        await one.end(signal.SIGKILL)


async def post(
    http: aiohttp.ClientSession, url: str, body: bytes = b"{}", headers: dict[str, str] | None = None, **more: Any
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Post; returns status, document and headers."""
    # aiohttp warns of large bodies that are no files
    data = io.BytesIO(body) if isinstance(body, bytes) and len(body) > 2**20 else body
    async with http.post(url, data=data, headers=headers, **more) as got:
        text = await got.text()
        return got.status, json.loads(text) if text.startswith("{") else {"text": text}, dict(got.headers)
