"""The config service's HTTP API from the command line's side: requests, and its errors in plain words."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from broker.errors import PermanentError, TransientError
from cli.hints import in_commands

TIMEOUT_S = 15.0
_NONE_GIVEN = (
    "the gateway wants a token, and none was given: give --token or set WATTLINE_TOKEN;"
    " an admin makes one with `wattline token create NAME`"
)
_NOT_KNOWN = (
    "the gateway at {} does not know this token: it is mistyped, expired, revoked or another gateway's;"
    " check --token and WATTLINE_TOKEN, or let an admin make a new one with `wattline token create NAME`"
)


class ServiceUnreachableError(TransientError):
    """The API does not answer; says where, and what to check."""


class RequestRefusedError(PermanentError):
    """The API refused; `lines` say each field, what is wrong and what is wanted."""

    def __init__(self, status: int, detail: str, lines: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.lines = lines

    @property
    def told(self) -> str:
        """All of it for a person: the detail too, where the fields' lines don't say it already."""
        detail = self.detail.removeprefix("there is ")
        said = any(detail in line or line in detail for line in self.lines)
        return "\n".join(self.lines if said else [self.detail, *self.lines])


class ConfigClient:
    """A session with the API of one gateway; enter it with `async with`. Its subclasses say what is asked."""

    def __init__(self, url: str, token: str | None) -> None:
        self._http: aiohttp.ClientSession | None = None
        self._headers: dict[str, str] = {}
        self.point_at(url=url, token=token or "")

    def point_at(self, *, url: str | None = None, token: str | None = None) -> None:
        """Ask another gateway, or with another token ('' for none), from the next session on."""
        if url is not None:
            self._base = URL(url) / "api" / "v1"
        if token is not None:
            self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    def _at(self, *names: str | int, verb: str = "") -> URL:
        """The address of something below the API; whatever stands in a name stays one part of the path."""
        path = "/".join(quote(str(name), safe=":@") for name in names)
        return URL(f"{self._base}/{path}" + (f":{verb}" if verb else ""), encoded=True)

    async def _call(
        self, method: str, url: URL, body: dict[str, Any] | bytes | None = None, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        if self._http is None:
            raise PermanentError("the client is not entered; use async with")
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._http.request(method, url, timeout=timeout, **_content(body)) as response:
                document = await document_of(response)
                status = response.status
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            raise ServiceUnreachableError(
                f"no gateway answers at {url.origin()}: {reason}; is it running, and is --url right?"
            ) from error
        except UnicodeError as error:
            raise ServiceUnreachableError(f"{url.host} can't be a host's name: {error}; is --url right?") from error
        except aiohttp.ClientError as error:
            raise ServiceUnreachableError(f"{url.origin()} answers, but no gateway does: {error}") from error
        if status == 200 and document is not None:
            return document
        raise refusal(status, document, url, token_sent=bool(self._headers))


def _content(body: dict[str, Any] | bytes | None) -> dict[str, Any]:
    """A document goes as JSON; bytes as they are, YAML or JSON."""
    if isinstance(body, bytes):
        return {"data": body, "headers": {"Content-Type": "application/yaml"}}
    return {"json": body}


async def document_of(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    """What an answer holds, None where that is no JSON object; YAML as `text`."""
    if response.content_type == "application/yaml":
        return {"text": await response.text()}
    try:
        document = await response.json(content_type=None)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def refusal(status: int, document: dict[str, Any] | None, url: URL, *, token_sent: bool) -> Exception:
    """What an answer other than 200 means, in words that a person can act on."""
    if status == 401:
        return RequestRefusedError(status, _NOT_KNOWN.format(url.origin()) if token_sent else _NONE_GIVEN, ())
    if document is None or "detail" not in document:
        return ServiceUnreachableError(f"{url.origin()} answers {status}, but not as a gateway does; is --url right?")
    lines = tuple(
        f"{fault['field']}: {fault['reason']}" + (f"; {in_commands(fault['fix'])}" if fault.get("fix") else "")
        for fault in document.get("errors", ())
    )
    return RequestRefusedError(status, in_commands(str(document["detail"])), lines)
