"""The gateway as a process of its own, and a proxy before its database."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from pydantic import SecretStr

from deploy.local.certificates import environment_of
from gateway.settings import GatewaySettings
from tests.rigs import forking
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Database
from tests.rigs.waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent


@contextlib.asynccontextmanager
async def database_proxy(database: Database) -> AsyncIterator[tuple[TcpProxy, SecretStr]]:
    """A proxy before the database, and the gateway's address through it."""
    parts = urlsplit(database.dsn("wattline_gateway"))
    assert parts.hostname is not None
    assert parts.port is not None
    async with TcpProxy(parts.hostname, parts.port) as proxy:
        user = parts.netloc.rpartition("@")[0]
        yield proxy, SecretStr(urlunsplit(parts._replace(netloc=f"{user}@{proxy.host}:{proxy.port}")))


async def start(
    settings: GatewaySettings, *, tree: Path = ROOT, executed: bool = False, **environment: str
) -> forking.Process:
    """The gateway of a tree as a process of its own, with the same settings from the environment."""
    values = {
        "DATABASE_DSN": settings.database_dsn.get_secret_value(),
        "CLIENT_ID": settings.client_id,
        "HTTP_PORT": str(settings.http_port),
        "RECEIVE_MAXIMUM": str(settings.receive_maximum),
        "RECONCILE_QUIET_S": "0.3",
        "LOG_FORMAT": "json",
    }
    prefix = "WATTLINE_GATEWAY_"
    given = environment_of(settings.broker, prefix) | {prefix + name: value for name, value in values.items()}
    return await forking.start(
        "gateway",
        cwd=tree,
        env={**os.environ, **given, **environment},
        stderr=forking.PIPE if environment else None,
        executed=executed,
    )


async def answers(settings: GatewaySettings) -> None:
    async def answers() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{settings.http_port}/healthz") as got,
            ):
                return got.status == 200
        return False

    await until(answers, "the process is healthy")
