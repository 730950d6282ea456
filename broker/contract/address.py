"""How a broker's address and the authority of its certificate are written in settings and parameters."""

import base64
import binascii
import ipaddress
import re
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final

_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""Of a host name (RFC 1123 2.1), and with the underscore that containers' names have."""
NAME_MAX: Final = 253
"""Octets of a host name (RFC 1035 2.3.4, as text)."""
_ARMOUR: Final = re.compile(r"-----(?:BEGIN|END) CERTIFICATE-----")
AUTHORITIES_MAX: Final = 4
CLOCKS_DIFFER: Final = timedelta(days=1)
"""What the times of a certificate may be off: whoever made it has another clock."""
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
        if not _is_host(host) or (port and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535)):
            raise ValueError(
                f"{part.strip()[:80]!r} is no host or host:port (ASCII; labels of 1 to 63 characters, {NAME_MAX} in "
                "all; ports 1 to 65535); give one, or several with commas"
            )
    return value


def _is_host(text: str) -> bool:
    """Whether it is an IP address, or a name that a resolver takes: Python's raises UnicodeError for others."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        name = text.removesuffix(".")
        return len(name) <= NAME_MAX and all(_LABEL.fullmatch(label) for label in name.split("."))
    return text.isascii()


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


def authority_ill_timed(value: str, at: datetime) -> str:
    """What is wrong with the times of what `known_authority_or_none` gave, empty where they are good at `at`.

    For who lets an authority be set, by a good clock, and not for a device, whose clock may be years behind.
    """
    if not value:
        return ""
    context = ssl.create_default_context(cadata=authority_pem(value))
    for known in context.get_ca_certs():
        begins_at, ends_at = (
            datetime.fromtimestamp(ssl.cert_time_to_seconds(str(known[name])), UTC)
            for name in ("notBefore", "notAfter")
        )
        if begins_at > at + CLOCKS_DIFFER:
            return f"holds a certificate that begins at {begins_at:%FT%TZ} only"
        if ends_at < at - CLOCKS_DIFFER:
            return f"holds a certificate that ended at {ends_at:%FT%TZ}"
    return ""
