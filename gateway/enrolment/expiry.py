"""When the certificates end that a gateway signs by and shows, and the broker's: of files, and as it is shown."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from gateway.enrolment.ca_folder import INTERMEDIATE, ROOT
from gateway.enrolment.own_certificate import FILE
from gateway.metrics import Metrics

log = structlog.get_logger()
LOOK_EVERY_S: Final = 600.0
BROKER: Final = "broker"


def files(folder: Path | None, **named: Path | None) -> dict[str, Path]:
    """The files by what they are of: those of the authority's folder by their names, and others as they are named."""
    found = {} if folder is None else {Path(name).stem: folder / name for name in (ROOT, INTERMEDIATE, FILE)}
    found = {of: path for of, path in found.items() if path.exists()}
    return found | {of: path for of, path in named.items() if path is not None}


def end_of(path: Path) -> datetime:
    """When the first certificate of a PEM file ends. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc


class Expiry:
    """Measures it for ever; a file that can't be read is as one that has ended.

    `shown` gives what the broker shows (DER), None where the gateway comes to it without TLS.
    """

    def __init__(
        self, metrics: Metrics, folder: Path | None, shown: Callable[[], bytes | None], **named: Path | None
    ) -> None:
        self._gauge = metrics.certificate_ends_at
        self._shown = shown
        self._folder = folder
        self._named: Mapping[str, Path | None] = named

    async def run(self) -> None:
        """Look now and then: certificates are renewed while the gateway runs."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Look once."""
        for of, path in files(self._folder, **self._named).items():
            try:
                ends_at = end_of(path).timestamp()
            except (OSError, ValueError) as error:
                log.warning("certificate_not_read", of=of, file=str(path), reason=str(error))
                ends_at = 0.0
            self._gauge.labels(of).set(ends_at)
        self.look_at_broker()

    def look_at_broker(self) -> None:
        """Look at what the broker shows; also with each connection to it, as it may be another one then."""
        if (der := self._shown()) is not None:
            ends_at = x509.load_der_x509_certificate(der).not_valid_after_utc
            self._gauge.labels(BROKER).set(ends_at.timestamp())
