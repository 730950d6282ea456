"""Devices and deliveries in the ledger."""

from typing import Any


async def devices(opened: Any, *names: str) -> None:
    await opened.executemany("INSERT INTO device (name) VALUES ($1)", [(name,) for name in names or ("d1",)])
