"""TLS of a local broker: an authority of devices, its own certificate, and another authority for services alone."""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from broker.mosquitto.config import TlsFiles
from broker.runtime.settings import BrokerAddress
from deploy.local.process import HOST, own
from gateway.enrolment.authority import Life, Usage, make_key
from gateway.enrolment.ca_folder import CHAIN, KEY_MODE, PUBLIC_MODE, ROOT, key_pem, open_or_make, pem, write_pem

CA_FOLDER: Final = "ca"
"""The authority's, below the stack's folder: what a gateway's CA__FOLDER names."""
_LIFE: Final = timedelta(days=30)


def broker_certificate(folder: Path) -> TlsFiles:
    """Make the authority of a stack's folder, where there is none, and a certificate for its broker by it."""
    authority, _ = open_or_make(folder / CA_FOLDER, None)
    key = make_key()
    life = Life.of(datetime.now(UTC), _LIFE)
    certificate = authority.sign("localhost", key.public_key(), Usage.SERVER, life, ["localhost", HOST])
    place = folder / "tls"
    place.mkdir(exist_ok=True, mode=0o700)
    files = TlsFiles(place / "broker.pem", place / "broker.key", place / CHAIN)
    write_pem(files.key, [key_pem(key)], KEY_MODE)
    write_pem(files.certificate, map(pem, (certificate, authority.certificate)), PUBLIC_MODE)
    write_pem(place / CHAIN, map(pem, authority.chain), PUBLIC_MODE)
    for path in (place, *place.iterdir()):
        # the broker runs under another account
        own(path)
    return files


class ServiceCertificates:
    """Services' authority, a root of its own, and the certificates by which they log in, each made when it is wanted.

    `authority` is the file by which a broker judges them.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        self._folder = folder
        self._signer, _ = open_or_make(folder / "authority", None, "Wattline services")
        self._made: dict[str, Path] = {}
        self.authority = folder / ROOT
        write_pem(self.authority, [pem(self._signer.chain[-1])], PUBLIC_MODE)

    def of(self, login: str) -> Path:
        """The certificate of a login, with its key in the same file."""
        if login not in self._made:
            self._made[login] = self.issue(login, self._folder / f"{login}.pem", Life.of(datetime.now(UTC), _LIFE))
        return self._made[login]

    def issue(self, login: str, path: Path, life: Life) -> Path:
        """Another certificate of a login, for so long."""
        key = make_key()
        certificate = self._signer.sign(login, key.public_key(), Usage.CLIENT, life)
        write_pem(path, [pem(certificate), pem(self._signer.certificate), key_pem(key)], KEY_MODE)
        return path


class BrokerCertificates:
    """All of a broker's TLS, beside its folder, made when it is wanted; `given` is its own certificate, if any."""

    def __init__(self, folder: Path, given: TlsFiles | None) -> None:
        self._folder = folder
        self._given = given

    @cached_property
    def shown(self) -> TlsFiles:
        """Its own certificate, and whom its clients trust."""
        if self._given is not None:
            return self._given
        place = self._folder.with_name(f"{self._folder.name}-tls")
        place.mkdir(parents=True, exist_ok=True, mode=0o711)
        return broker_certificate(place)

    @cached_property
    def services(self) -> ServiceCertificates:
        """The services' authority."""
        return ServiceCertificates(self._folder.with_name(f"{self._folder.name}-services"))


def environment_of(address: BrokerAddress, prefix: str) -> dict[str, str]:
    """A way to a broker as a service is told of it; `prefix` as WATTLINE_GATEWAY_."""
    told = {
        "HOST": address.host, "PORT": str(address.port), "ROOT": address.root, "USERNAME": address.username,
        "PASSWORD": address.secret(), "TLS_CA": address.tls_ca, "TLS_CERTIFICATE": address.tls_certificate,
    }  # fmt: skip
    return {f"{prefix}BROKER__{name}": str(value) for name, value in told.items() if value is not None}
