"""Why an address gives no Grafana, in words for a person: what libraries say of it names their own objects."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from broker.errors import PermanentError

_FIX: Final = "give the address at which a browser opens Grafana, with its path where it has one"
_PLAIN_TO_TLS: Final = "HTTP request to an HTTPS server"


def parsed(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path of an address. Raises PermanentError."""
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise PermanentError("Grafana's address is only scheme, host, port and path; the token goes to --token")
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:
        raise PermanentError(f"{url!r} is no address of Grafana ({error}); write http://host:3000") from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or " " in parts.netloc:
        raise PermanentError(f"{url!r} is no address of Grafana; write http://host:3000 or https://host/path")
    return parts.scheme, f"[{host}]" if ":" in host else host, port, parts.path.strip("/")


def no_grafana(url: str, answer: Any, status: int = 200) -> PermanentError:
    """The error for an answer that Grafana would not have given."""
    text = " ".join(str(answer).split())
    if _PLAIN_TO_TLS in text:
        return PermanentError(f"{url} speaks TLS: write https://")
    said = f"HTTP {status}, {text[:60]!r}" if text else f"HTTP {status}"
    if status in (401, 403, 407):
        return PermanentError(f"{url}: something before Grafana wants a login of its own ({said})")
    if status >= 500:
        return PermanentError(f"{url}: Grafana, or what stands before it, is not well ({said})")
    return PermanentError(f"{url} is not Grafana: it answered {said}; {_FIX}")


def unreachable(url: str, error: BaseException) -> PermanentError:
    """The error for no answer at all, told by its deepest cause."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                reason = f"its certificate is not trusted ({cause.verify_message}): put its CA among the system's"
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
                reason = "it does not speak TLS: write http://"
            case ssl.SSLError():
                reason = f"TLS fails ({cause.reason or cause})"
            case socket.gaierror():
                reason = "its name is not known"
            case OSError(strerror=str(words)):
                reason = words
            case _ if type(cause).__name__ == "NameResolutionError":
                reason = "its name is not known"
            case _ if type(cause).__name__ == "ProtocolError":
                reason = "it closed the connection without an answer; where it speaks TLS, write https://"
            case _ if type(cause).__name__ == "TooManyRedirects":
                reason = f"it redirects for ever; {_FIX}"
            case _:
                continue
        return PermanentError(f"{url} can't be reached: {reason}")
    return PermanentError(f"{url} can't be reached: {type(error).__name__}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Every error within, the deepest first; libraries keep them as arguments, reasons, causes and contexts."""
    seen: list[BaseException] = []
    rest: list[object] = [error]
    while rest:
        each = rest.pop(0)
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            rest += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
    return reversed(seen)
