"""Who signs a device's certificate: the embedded authority, or another one behind a command."""

import asyncio
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from broker.errors import PermanentError, TransientError
from gateway.enrolment.authority import Authority, Life, Usage, common_name
from gateway.enrolment.requests import Asked

log = structlog.get_logger()
COMMAND_S: Final = 30.0
"""How long another authority's command may take."""
MAX_ANSWER: Final = 64 * 1024


class IssuerError(TransientError):
    """The authority gave no certificate that can be used; later it may."""


class Issuer(Protocol):
    """An authority."""

    @property
    def authorities(self) -> Sequence[x509.Certificate]:
        """Its own certificates: what stands above those that it issues, and its root."""

    async def issue(self, asked: Asked, identity: str, life: timedelta) -> x509.Certificate:
        """A client certificate for the request's key, of this name. Raises IssuerError."""


@dataclass(frozen=True, slots=True)
class EmbeddedIssuer:
    """The authority of our own folder."""

    authority: Authority

    @property
    def authorities(self) -> Sequence[x509.Certificate]:
        """The intermediate and the root."""
        return self.authority.chain

    async def issue(self, asked: Asked, identity: str, life: timedelta) -> x509.Certificate:
        """Sign it here, which takes a millisecond or two."""
        return self.authority.sign(identity, asked.key, Usage.CLIENT, Life.of(datetime.now(UTC), life))


@dataclass(frozen=True, slots=True)
class CommandIssuer:
    """Another authority: a program signs, and what it prints is checked before it is believed."""

    words: tuple[str, ...]
    authorities: Sequence[x509.Certificate]

    @classmethod
    def of(cls, command: str, authority: Path) -> "CommandIssuer":
        """From the settings. Raises PermanentError."""
        try:
            found = x509.load_pem_x509_certificates(authority.read_bytes())
        except OSError as error:
            raise PermanentError(f"CA__AUTHORITY: {authority}: {error.strerror}; name a readable PEM file") from error
        except ValueError as error:
            raise PermanentError(f"CA__AUTHORITY: {authority} holds no certificates; give a PEM file") from error
        return cls(tuple(shlex.split(command)), tuple(found))

    async def issue(self, asked: Asked, identity: str, life: timedelta) -> x509.Certificate:
        """Have the program sign. Raises IssuerError."""
        seconds = str(int(life.total_seconds()))
        words = [word.replace("{identity}", identity).replace("{seconds}", seconds) for word in self.words]
        printed = await _run(words, asked.pem)
        try:
            certificate = x509.load_pem_x509_certificates(printed)[0]
        except ValueError as error:
            raise IssuerError("the authority's command printed no certificate") from error
        if fault := unfit(certificate, asked, identity, self.authorities):
            raise IssuerError(f"the authority's certificate is not taken: {fault}")
        return certificate


def unfit(certificate: x509.Certificate, asked: Asked, identity: str, authorities: Sequence[x509.Certificate]) -> str:
    """Why a certificate is not the one that was wanted, empty where it is. Pure."""
    if common_name(certificate.subject) != identity:
        return f"its CN is {common_name(certificate.subject)[:80]!r}, {identity!r} is wanted"
    if certificate.public_key() != asked.key:
        return "it is for another key"
    for one in authorities:
        try:
            certificate.verify_directly_issued_by(one)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return ""
    return "none of CA__AUTHORITY has signed it"


async def _run(words: list[str], request: bytes) -> bytes:
    """What the program prints. Raises IssuerError with the end of what it complains of."""
    pipe = asyncio.subprocess.PIPE
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATTLINE_")}
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    except OSError as error:
        raise IssuerError(f"the authority's command {words[0]!r} can't be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(COMMAND_S):
            printed, complaint = await process.communicate(request)
    except TimeoutError as error:
        raise IssuerError(f"the authority's command took longer than {COMMAND_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or len(printed) > MAX_ANSWER:
        told = complaint.decode(errors="replace").strip().splitlines()[-1:] or ["no reason"]
        raise IssuerError(f"the authority's command ended with {process.returncode}: {told[0][:200]}")
    return printed
