"""TLS of a service's own listener: a certificate and its key in files, taken anew when they are renewed."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, model_validator

from broker.errors import PermanentError

LOOK_EVERY_S: Final = 30.0
"""How often the files are looked at: a renewed certificate is served so much later."""
log = structlog.get_logger()
Mark = tuple[tuple[int, int, int], ...]
"""What tells a file from the one that it replaced, of each file: inode, size, time of change."""


class TlsFiles(BaseModel):
    """A certificate chain and its private key as PEM files; neither: no TLS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path | None = None
    """PEM file with the server's certificate and those between it and its CA."""
    key: Path | None = None
    """PEM file with its private key, without a passphrase."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> "TlsFiles":
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            raise ValueError(f"{missing} is missing: TLS wants certificate and key, each as a PEM file")
        return self

    def load(self) -> ssl.SSLContext | None:
        """What a listener needs: TLS 1.2 or later; None without files. Raises PermanentError that names the file."""
        if self.certificate is None or self.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # an empty passphrase: without one OpenSSL would ask for it at the terminal
            context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            why = (
                "don't belong together" if error.reason == "KEY_VALUES_MISMATCH" else f"can't be used ({error.reason})"
            )
            raise PermanentError(f"TLS__CERTIFICATE {self.certificate} and TLS__KEY {self.key} {why}") from error
        except (OSError, ValueError) as error:
            file = getattr(error, "filename", None) or self._unreadable()
            raise PermanentError(f"TLS: {file} can't be read; name PEM files that the service may read") from error
        return context

    def mark(self) -> Mark | None:
        """What tells these files from renewed ones; None while one is away, as in the middle of a renewal."""
        try:
            facts = [path.stat() for path in (self.certificate, self.key) if path is not None]
        except OSError:
            return None
        return tuple((fact.st_ino, fact.st_size, fact.st_mtime_ns) for fact in facts)

    def _unreadable(self) -> str:
        for path in (self.certificate, self.key):
            try:
                if path is not None:
                    path.read_bytes()
            except OSError:
                return str(path)
        return f"{self.key} (is it encrypted?)"


class ServerTls:
    """The context of a listener; each handshake takes the newest certificate, connections that are open stay.

    A renewal is taken as a whole or not at all: while certificate and key don't fit, the ones before are served.
    """

    def __init__(self, files: TlsFiles, first: ssl.SSLContext) -> None:
        self._files = files
        self._mark = files.mark()
        self._newest = first
        self.context = first
        first.sni_callback = self._choose

    @classmethod
    def of(cls, files: TlsFiles) -> "ServerTls | None":
        """From files, None without any. Raises PermanentError."""
        first = files.load()
        return None if first is None else cls(files, first)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _: ssl.SSLContext) -> None:
        if self._newest is not self.context:
            connection.context = self._newest

    def renew(self) -> bool:
        """Take the files if they have changed; returns whether. Raises PermanentError where they can't be used."""
        mark = self._files.mark()
        if mark is None or mark == self._mark:
            return False
        newest = self._files.load()
        if newest is not None:
            self._newest, self._mark = newest, mark
        return newest is not None

    async def run(self, every_s: float = LOOK_EVERY_S) -> None:
        """Look for renewed files for ever."""
        told = ""
        while True:
            await asyncio.sleep(every_s)
            try:
                if await asyncio.to_thread(self.renew):
                    log.info("tls_certificate_renewed", certificate=str(self._files.certificate))
                    told = ""
            except PermanentError as error:
                if str(error) != told:
                    # once: certificate and key are often written one after the other
                    told = str(error)
                    log.warning("tls_certificate_refused", reason=told, fix="the one before is served meanwhile")
