"""The gateway's own server certificate by its own authority, for those who have none from elsewhere."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from broker.errors import PermanentError
from gateway.enrolment.authority import Authority, Life, Usage, make_key
from gateway.enrolment.ca_folder import KEY_MODE, key_pem, pem, write_pem

log = structlog.get_logger()
LIFE: Final = timedelta(days=90)
LOOK_EVERY_S: Final = 3600.0
"""How often it is looked whether it wants renewal."""
FILE: Final = "server.pem"
"""Key, certificate and the one above it, below the authority's folder."""


class OwnCertificate:
    """One file for all of the gateway's listeners: made at its start, and again when a third of its life is over."""

    def __init__(self, authority: Authority, folder: Path, hosts: Callable[[], tuple[str, ...]]) -> None:
        self.authority = authority
        self._path = folder / FILE
        self._hosts = hosts
        self._names: tuple[str, ...] = ()
        self._made_at = datetime.min.replace(tzinfo=UTC)
        self._alone = threading.Lock()

    def fresh(self) -> Path:
        """The file, made anew where its time has come or this host has other names. Raises PermanentError."""
        with self._alone:
            names, now = self._hosts(), datetime.now(UTC)
            if names != self._names or not self._made_at <= now < self._made_at + LIFE / 3:
                self._make(names, now)
                self._names, self._made_at = names, now
        return self._path

    async def run(self) -> None:
        """Renew it for ever, in time."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await asyncio.to_thread(self.fresh)
            except PermanentError as error:
                log.warning("own_certificate_kept", reason=str(error), fix="the one before is shown meanwhile")

    def _make(self, names: tuple[str, ...], now: datetime) -> None:
        key = make_key()
        try:
            certificate = self.authority.sign(names[0][:64], key.public_key(), Usage.SERVER, Life.of(now, LIFE), names)
            write_pem(self._path, [key_pem(key), pem(certificate), pem(self.authority.certificate)], KEY_MODE)
        except ValueError as error:
            raise PermanentError(
                f"ENROLMENT__NAMES: {', '.join(names)}: {error}; give host names and addresses"
            ) from error
        except OSError as error:
            raise PermanentError(f"the gateway's own certificate: {error.filename}: {error.strerror}") from error
