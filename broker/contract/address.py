"""How a broker's address and the authority of its certificate are written in settings and parameters."""

import base64
import binascii
import re
import ssl
from typing import Final

_ARMOUR: Final = re.compile(r"-----(?:BEGIN|END) CERTIFICATE-----")
AUTHORITIES_MAX: Final = 4
AUTHORITY_FORM: Final = "CA certificates in PEM, or empty for the device's own"


def host_port(text: str) -> tuple[str, str]:
    """Of `host`, `host:port`, or an IPv6 address, which stands in [ ] where a port follows; the port may be empty."""
    text = text.strip()
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return (host, port) if ":" not in port else (text, "")


def known_nodes(value: str) -> str:
    """One node or several with commas. Raises ValueError where one of them is none."""
    for part in value.split(","):
        host, port = host_port(part)
        if not host or (port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535)):
            raise ValueError(f"{part.strip()[:80]!r} is no host or host:port; give one, or several with commas")
    return value


def known_nodes_or_none(value: str) -> str:
    """The same, or nothing; without spaces and in small letters, as a device compares them. Raises ValueError."""
    told = "".join(value.split()).lower()
    return known_nodes(told) if told else ""


def known_authority_or_none(value: str) -> str:
    """Certificates in one line: the base64 of each (RFC 7468, without its first and last line), with commas.

    PEM is taken, too, also where its line ends are lost, as in a form. Raises ValueError where one is no certificate.
    """
    parts = ["".join(one.split()) for one in re.split(r",", _ARMOUR.sub(",", value))]
    certificates = [one for one in parts if one]
    if len(certificates) > AUTHORITIES_MAX:
        raise ValueError(f"holds {len(certificates)} certificates; give at most {AUTHORITIES_MAX}")
    for one in certificates:
        try:
            ssl.create_default_context(cadata=base64.b64decode(one, validate=True))
        except (binascii.Error, ValueError, ssl.SSLError) as error:
            raise ValueError("is no certificate; give the text of the CA file (PEM)") from error
    return ",".join(certificates)


def authority_pem(value: str) -> str:
    """The PEM file of what `known_authority_or_none` gave."""
    pem = (ssl.DER_cert_to_PEM_cert(base64.b64decode(one)) for one in value.split(","))
    return "".join(pem)
