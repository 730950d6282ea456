"""TLS of the local stack: a certificate authority of its own, and the broker's certificate for devices."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from broker.mosquitto.config import TlsFiles
from deploy.local.process import HOST, own
from gateway.enrolment.authority import Life, Usage, make_key
from gateway.enrolment.ca_folder import CHAIN, KEY_MODE, PUBLIC_MODE, key_pem, open_or_make, pem, write_pem

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
