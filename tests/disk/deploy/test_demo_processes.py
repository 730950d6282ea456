"""The demo's child processes: a restart that was asked for is one, any other end is told."""

import asyncio
from pathlib import Path

import pytest

from broker.errors import PermanentError
from deploy.demo.processes import Service


async def ended(service: Service) -> None:
    async with asyncio.timeout(30):
        while service.pid:
            await asyncio.sleep(0.05)


async def test_a_process_that_ends_with_its_restart_status_is_started_again(tmp_path: Path) -> None:
    """`nope` is no command of wattline: it ends with 2, here the status that asks for a restart."""
    service = Service("pi", ["nope"], {}, tmp_path, restart_status=2)
    await service.start()
    await ended(service)
    await service.keep()
    assert service.pid
    await ended(service)
    assert service.log.read_text().count("no command 'nope'") == 2


async def test_any_other_end_is_a_failure(tmp_path: Path) -> None:
    service = Service("pi", ["nope"], {}, tmp_path, restart_status=75)
    await service.start()
    await ended(service)
    with pytest.raises(PermanentError, match="pi ended with status 2"):
        await service.keep()
