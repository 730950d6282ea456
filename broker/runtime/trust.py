"""TLS of a client: whom it believes, what it shows, and what it does while its own clock is wrong."""

import ssl
import time
from pathlib import Path
from typing import Final

from broker.errors import PermanentError

NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL."""
NOT_YET_VALID: Final = 9
"""X509_V_ERR_CERT_NOT_YET_VALID."""

SET_S: Final = 60.0
"""A wall clock that moved this far against the monotonic one was set."""


class ClockDoubt:
    """Whether this machine's clock is known to be behind: a Pi without a battery begins years ago.

    Then the times of certificates are not judged by it: else it could never reach what tells it the time. It is known
    where an authority that we trust is younger than now, or has signed what begins later than now. A clock that is
    ahead, or behind by less, judges as ever.
    """

    def __init__(self, beside: "ClockDoubt | None" = None) -> None:
        """With `beside` it holds where that one does, too, which learns nothing from it."""
        self._beside = beside
        self._proven_s = 0.0
        self._refuted_s: float | None = None
        """What the wall clock was ahead of the monotonic one when it was found to be behind."""

    def prove(self, at_s: float) -> None:
        """It was so late once (Unix time), by the word of an authority that we trust."""
        self._proven_s = max(self._proven_s, at_s)

    def heed(self, error: BaseException | None) -> bool:
        """Learn from a handshake that failed; returns whether another one may do better."""
        behind = isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == NOT_YET_VALID
        if behind:
            # signed by whom we trust, who dates nothing ahead: the clock is behind until somebody sets it
            self._refuted_s = _ahead_s()
        return behind

    def holds(self) -> bool:
        """Whether the clock is behind what is proven."""
        if self._refuted_s is not None and abs(_ahead_s() - self._refuted_s) < SET_S:
            return True
        return time.time() < self._proven_s or (self._beside is not None and self._beside.holds())


def _ahead_s() -> float:
    return time.time() - time.monotonic()


DOUBT: Final = ClockDoubt()
"""This machine's clock, as all of this process's connections know it; whom we are only told of has one of his own."""


def client_context(
    authority: Path, certificate: Path | None = None, key: Path | None = None, doubt: ClockDoubt = DOUBT
) -> ssl.SSLContext:
    """What a client needs to reach a server of an authority, and to show a certificate of its own.

    The certificate's key is in the same file, or in `key`. Raises PermanentError that names the setting.
    """
    try:
        context = ssl.create_default_context(cafile=str(authority))
    except ssl.SSLError as error:
        raise PermanentError(
            f"tls_ca: {authority} holds no CA certificate ({error.reason}); give a PEM file"
        ) from error
    except OSError as error:
        raise PermanentError(f"tls_ca: {authority}: {error.strerror}; name a readable PEM file") from error
    if certificate is not None:
        _show(context, certificate, key)
    for known in context.get_ca_certs():
        doubt.prove(ssl.cert_time_to_seconds(str(known["notBefore"])))
    if doubt.holds():
        import structlog  # noqa: PLC0415 - who only reads settings has no logs

        log = structlog.get_logger()
        log.warning("certificate_times_not_checked", reason="this machine's clock is behind", fix="let NTP keep it")
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        # an empty passphrase: without one OpenSSL would ask for it at the terminal
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        place = f"{certificate}{f' and {key}' if key else ''}"
        raise PermanentError(f"tls_certificate: {place}: no certificate with its key ({error.reason})") from error
    except OSError as error:
        file = error.filename or certificate
        raise PermanentError(f"tls_certificate: {file}: {error.strerror}; name readable PEM files") from error
