"""Channels: one URL each, sealed where it is kept, and never shown whole."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from broker.errors import ContractError
from store.notices.services import lacking

WEBHOOK: Final = ("https", "http")
BY_APPRISE: Final = ("mailto", "mailtos", "ntfy", "ntfys", "tgram", "slack", "workflow", "workflows")
"""E-mail, ntfy, Telegram, Slack, and Teams by a workflow: schemes as apprise has them. No others: many of them reach
into the machine or the network that they run in."""
MAX_URL: Final = 2048
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - as Standard Webhooks has it
SECRET_BYTES: Final = (24, 64)


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where a channel leads, with all its secrets; it never shows itself."""

    kind: Literal["webhook", "apprise"]
    url: str
    secret: str = ""

    def __repr__(self) -> str:
        return f"Address({self.shown})"

    @property
    def shown(self) -> str:
        """What people may see: scheme and host, of services whose host is a token the scheme alone."""
        parts = urlsplit(self.url)
        topic_alone = parts.scheme in ("ntfy", "ntfys") and not parts.path.strip("/")
        if parts.scheme in ("tgram", "slack") or topic_alone:
            return f"{parts.scheme}://***"
        return f"{parts.scheme}://{_host(parts)}/***"

    def values(self) -> dict[str, str]:
        """As it is sealed."""
        return {"url": self.url, "secret": self.secret}


def sealed_for(name: str) -> str:
    """What a channel's address is sealed for: no meter is called so."""
    return f"channel {name}"


def parse_address(url: str, secret: str | None = None) -> Address:
    """Read what somebody gave; a webhook's secret is made where there is none. Raises ContractError without secrets."""
    if len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise ContractError(
            f"it has {len(url)} characters, blanks or control characters", field="url", fix=f"at most {MAX_URL}"
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname
        if parts.scheme != "tgram":  # whose token has a colon and letters where others have a port
            _ = parts.port
    except ValueError as error:
        raise ContractError("it is no URL", field="url", fix="for example https://hooks.example.org/in") from error
    if parts.scheme in WEBHOOK:
        if not host or parts.username is not None or parts.fragment:
            fix = "scheme, host, port, path and query only: the signature proves who sends"
            raise ContractError("a webhook's URL has a host, and no user and fragment", field="url", fix=fix)
        return Address("webhook", url, _secret(secret))
    if parts.scheme not in BY_APPRISE:
        known = ", ".join((*WEBHOOK, *BY_APPRISE))
        raise ContractError(f"no channel has the scheme {parts.scheme[:32]!r}", field="url", fix=f"one of {known}")
    if secret:
        raise ContractError("only a webhook is signed", field="secret", fix="leave it out")
    if not host:
        raise ContractError("no host or token is in it", field="url", fix="docs/NOTIFICATIONS.md has a URL of each")
    if (lacks := lacking(parts)) is not None:
        raise ContractError(lacks[0], field="url", fix=lacks[1])
    return Address("apprise", url)


def opened(values: dict[str, str]) -> Address:
    """What was sealed."""
    kind: Literal["webhook", "apprise"] = "webhook" if urlsplit(values["url"]).scheme in WEBHOOK else "apprise"
    return Address(kind, values["url"], values["secret"])


def key_of(secret: str) -> bytes:
    """The octets of a webhook's secret. Raises ContractError."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]:
        fix = f"{SECRET_PREFIX} and base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[1]} octets, or leave it out"
        raise ContractError("it is no secret as Standard Webhooks has them", field="secret", fix=fix)
    return key


def _secret(given: str | None) -> str:
    if given is None:
        return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    key_of(given)
    return given


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host
