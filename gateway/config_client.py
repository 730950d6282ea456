"""The config service's HTTP API from the command line's side: requests, and its errors in plain words."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from broker.errors import PermanentError, TransientError
from gateway.cli_hints import in_commands

TIMEOUT_S = 15.0


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
        self._base = URL(url) / "api" / "v1"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http: aiohttp.ClientSession | None = None

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
                document = await _document(response)
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
        raise _refusal(status, document, url)


def _content(body: dict[str, Any] | bytes | None) -> dict[str, Any]:
    """A document goes as JSON; bytes as they are, YAML or JSON."""
    if isinstance(body, bytes):
        return {"data": body, "headers": {"Content-Type": "application/yaml"}}
    return {"json": body}


async def _document(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    if response.content_type == "application/yaml":
        return {"text": await response.text()}
    try:
        document = await response.json(content_type=None)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _refusal(status: int, document: dict[str, Any] | None, url: URL) -> Exception:
    if status == 401:
        detail = "the gateway asks for a token that is valid: give --token or set WATTLINE_TOKEN"
        return RequestRefusedError(status, detail, ())
    if document is None or "detail" not in document:
        return ServiceUnreachableError(f"{url.origin()} answers {status}, but not as a gateway does; is --url right?")
    lines = tuple(
        f"{fault['field']}: {fault['reason']}" + (f"; {in_commands(fault['fix'])}" if fault.get("fix") else "")
        for fault in document.get("errors", ())
    )
    return RequestRefusedError(status, in_commands(str(document["detail"])), lines)
