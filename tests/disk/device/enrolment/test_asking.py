"""Where the agent asks for its certificate: its claim's token is for whom its own settings name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device.enrolment.enrolment import Enrolment
from device.metrics import DeviceMetrics
from device.settings import EnrolSettings
from gateway.enrolment.authority import make_root
from gateway.enrolment.ca_folder import pem
from tests.rigs.waiting import until


@dataclass
class Door:
    """Counts who comes, and lets nobody in."""

    port: int = 0
    came: int = 0

    def knocked(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody connects."""
        self.came += 1
        writer.close()


@dataclass(frozen=True)
class Away:
    """A device that no broker knows yet."""

    connected: bool = False
    refused: bool = False


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[Door]:
    opened = Door()
    async with await asyncio.start_server(opened.knocked, "127.0.0.1", 0) as server:
        opened.port = server.sockets[0].getsockname()[1]
        yield opened


async def test_by_the_claim_it_asks_where_its_own_settings_say(tmp_path: Path) -> None:
    """Whoever has the token makes devices: the address that the platform told is for renewals."""
    root = tmp_path / "root.pem"
    root.write_bytes(pem(make_root("Home", datetime.now(UTC)).certificate))
    token = tmp_path / "token"
    token.write_text("wlc_secret")
    async with door() as home, door() as told:
        url = f"https://127.0.0.1:{home.port}"
        settings = EnrolSettings(url=url, authority=root, claim="hall", token_file=token)
        enrolment = Enrolment(settings, tmp_path / "enrolment", "pi-1", DeviceMetrics())
        enrolment.elsewhere = lambda: (f"https://127.0.0.1:{told.port}", None)
        asking = asyncio.create_task(enrolment.run(Away()))
        try:
            await until(lambda: home.came)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        assert told.came == 0
