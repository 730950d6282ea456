"""In the short-lived process: the key that is asked with, where it is one in a token."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from device.enrolment.certificate_file import FILE, HOME_FILE, KEY_FILE, TOLD_FILE
from device.enrolment.certificate_request import CertificateRequest
from device.enrolment.requesting import request_for
from device.files import write_atomically
from device.token.keys import TokenKey, opened, reference
from device.token.provider import load_provider
from device.token_uri import TokenUri, id_in


def token_request(order: CertificateRequest) -> tuple[TokenKey, bytes]:
    """The key, and the request that it has signed.

    For a renewal it is the certificate's own, as nobody can have copied it; else the one for which no answer came yet,
    or another one. A certificate whose key is in a file is renewed with one in the token. Raises NoProviderError,
    TokenError, OSError.
    """
    folder, uri = Path(order.folder), TokenUri.parse(order.key)
    # first: a certificate that nothing could show is no use
    load_provider(uri, folder)
    shown, pending = _id(folder / FILE), _id(folder / KEY_FILE)
    with opened(uri, folder) as keys:
        for known in (shown if order.renew else None, pending):
            if known is not None and keys.has(known):
                key = keys.key(known)
                return key, request_for(order, key)
        # of others there may be one for which no answer was awaited; a token has room for few
        keys.remove_all_but(*in_use(folder))
        key = keys.make()
        write_atomically(folder / KEY_FILE, reference(uri, key))
        return key, request_for(order, key)


def remove_others(order: CertificateRequest, key: EllipticCurvePrivateKey) -> None:
    """Remove our keys of before from the token. Raises TokenError, OSError."""
    kept = key.id if isinstance(key, TokenKey) else None
    with opened(TokenUri.parse(order.key), Path(order.folder)) as keys:
        keys.remove_all_but(kept, *in_use(Path(order.folder)))


def in_use(folder: Path) -> tuple[bytes | None, ...]:
    """The ids of the keys that certificates on disk stand on: that of home, too, while the device is elsewhere."""
    return tuple(_id(folder / name) for name in (FILE, HOME_FILE, TOLD_FILE))


def _id(path: Path) -> bytes | None:
    try:
        return id_in(path.read_bytes())
    except FileNotFoundError:
        return None
