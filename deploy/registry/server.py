"""The two registries as processes of this machine, with certificates of our own authority, and the collection."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from deploy.local.locks import take_lock, try_lock
from deploy.local.process import ServerProcess
from deploy.registry.files import Place, RegistryError, Side, write_config
from gateway.enrolment.authority import Life, Usage, make_key
from gateway.enrolment.ca_folder import KEY_MODE, PUBLIC_MODE, ROOT, key_pem, open_or_make, pem, write_pem

_LIFE: Final = timedelta(days=397)
_START_S: Final = 30.0


def certify(place: Place, authority_folder: Path, names: Sequence[str]) -> Path:
    """Make the registry's certificate by an authority, which is made where there is none; returns whom to trust."""
    place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, _ = open_or_make(authority_folder, None)
    key = make_key()
    life = Life.of(datetime.now(UTC), _LIFE)
    certificate = authority.sign(names[0], key.public_key(), Usage.SERVER, life, names)
    write_pem(place.key, [key_pem(key)], KEY_MODE)
    write_pem(place.certificate, map(pem, (certificate, authority.certificate)), PUBLIC_MODE)
    return authority_folder / ROOT


def configure(place: Place, addresses: dict[Side, str]) -> None:
    """Write the configurations of the sides that are to run."""
    for side, address in addresses.items():
        write_config(place, side, address)


@asynccontextmanager
async def running(program: Sequence[str], place: Place, sides: Sequence[Side]) -> AsyncIterator[None]:
    """Run configured registries until the end of the block. Raises ServerError, RegistryError."""
    lock = take_lock(place.publishing) if Side.PUBLISH in sides else None
    started: list[ServerProcess] = []
    try:
        for side in sides:
            folder = place.folder / f"{side}-runs"
            folder.mkdir(exist_ok=True)
            server = ServerProcess([*program, "serve", place.config(side)], folder, orphan_signal="TERM", as_owner=True)
            started.append(server)
            await server.start(lambda side=side: _answers(place, side), timeout_s=_START_S)  # type: ignore[misc]
        yield
    finally:
        for server in reversed(started):
            await server.stop(signal.SIGTERM, timeout_s=20)
        if lock is not None:
            os.close(lock)


def collect(program: Sequence[str], place: Place) -> None:
    """Delete the layers that no image names any more. Pis may read meanwhile; nobody may publish.

    Raises RegistryError.
    """
    config = place.config(Side.PUBLISH)
    if not config.exists():
        raise RegistryError(f"{place.folder} is no registry's folder that anybody published in")
    place.publishing.touch(mode=0o600)
    lock = try_lock(place.publishing)
    if lock is None:
        raise RegistryError("somebody may publish: stop the side publish first, or what is on its way is deleted")
    try:
        words = [*program, "garbage-collect", str(config)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=3600)
    finally:
        os.close(lock)
    if done.returncode:
        raise RegistryError(f"the registry could not collect: {done.stderr.strip()[-500:]}")


async def _answers(place: Place, side: Side) -> bool:
    """Whether it speaks TLS there; it asks everybody for a login."""
    host, _, port = json.loads(place.config(side).read_text())["http"]["addr"].rpartition(":")
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host or "127.0.0.1", int(port), ssl=trust)
            writer.close()
    except (OSError, TimeoutError):
        return False
    return True
