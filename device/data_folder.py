"""The agent's data folder: made, held by one agent alone, and what is opened in it."""

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import structlog

from broker.errors import PermanentError
from device.files import close_to_others
from device.outbox.lanes import Lanes
from device.outbox.outbox import Outbox
from device.outbox.segments import sync
from device.outbox.write_ahead import WriteAhead

log = structlog.get_logger()

OURS: Final = (
    "ahead",
    "broker",
    "commands.json",
    "desired.json",
    "held",
    "lock",
    "meter-keys",
    "outbox",
    "ports.json",
    "software",
    "specs",
)
"""How the names begin that an agent gives in its data folder."""


def prepare(folder: Path) -> None:
    """See that the data folder is there, and that what an agent of before left open in it is closed to others."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        close_to_others(folder, OURS)
    except OSError as error:
        raise PermanentError(
            f"data folder {folder}: {error.strerror}; set WATTLINE_DEVICE_DATA_FOLDER to a folder that can be written"
        ) from error


@contextlib.contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Hold the data folder's lock, which ends with the process: two agents on one outbox would lose readings.

    Raises PermanentError where another agent holds it. A disk that can't lock is no reason not to start.
    """
    with contextlib.ExitStack() as exits:
        try:
            lock = exits.enter_context((folder / "lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermanentError(
                f"another agent uses the data folder {folder}; stop it, or set WATTLINE_DEVICE_DATA_FOLDER"
            ) from error
        except OSError as error:
            log.warning("data_folder_not_locked", folder=str(folder), reason=str(error))
        yield


@contextlib.asynccontextmanager
async def opened_outbox(folder: Path, limit_bytes: int, lanes: Lanes) -> AsyncIterator[Outbox]:
    """The outbox, synced to disk at the end."""
    outbox = Outbox(folder / "outbox", limit_bytes=limit_bytes, lanes=lanes)
    await asyncio.to_thread(outbox.open)
    try:
        yield outbox
    finally:
        try:
            sync(outbox.take_unsynced())
        except OSError as error:
            outbox.sync_failed(error)
        outbox.save_state()


@contextlib.asynccontextmanager
async def opened_write_ahead(folder: Path, outbox: Outbox) -> AsyncIterator[WriteAhead]:
    """What is gathered, on disk, with what an earlier run left of it."""
    ahead = WriteAhead(folder / "ahead", outbox)
    await asyncio.to_thread(ahead.open)
    try:
        yield ahead
    finally:
        ahead.close()
