"""Errors of the HTTP API as problem+json (RFC 9457), each naming the field and the fix."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from broker.errors import ContractError, WattlineError
from gateway.api_models import Fault, ProblemDocument
from gateway.layers import Problem, problems

TITLES = {
    400: "The request is not valid JSON",
    401: "A valid token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "In conflict with the current state",
    412: "Changed in the meantime",
    413: "Too large",
    422: "The request is not valid",
    429: "Too many requests",
    500: "The gateway failed",
    503: "The database can't be reached",
}

RETRY_S: Final = 5
"""For so long a caller should wait for the database."""


class ApiError(WattlineError):
    """A request that gets an error; `faults` name the fields."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        current: dict[str, Any] | None = None,
        etag: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = {**(headers or {}), **({"ETag": etag} if etag else {})}
        self.current = current

    def response(self) -> web.Response:
        """The answer that tells of it."""
        document = ProblemDocument(
            type=f"urn:wattline:problem:{self.status}",
            title=TITLES.get(self.status, "Refused"),
            status=self.status,
            detail=_sendable(self.detail),
            field=_sendable(self.faults[0].field) if self.faults else None,
            errors=tuple(
                Fault(field=_sendable(fault.field), reason=_sendable(fault.reason), fix=fault.fix)
                for fault in self.faults
            ),
            current=self.current,
        )
        return web.Response(
            status=self.status,
            text=document.model_dump_json(exclude_none=True),
            content_type="application/problem+json",
            headers=self.headers,
        )


class TooManyError(ApiError):
    """Too many requests at once; the answer says when to try again."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        fault = Problem("request", detail, f"try again in {retry_after_s} s")
        super().__init__(429, detail, [fault], {"Retry-After": str(retry_after_s)})
        self.retry_after_s = retry_after_s


def failed() -> ApiError:
    """A fault of the gateway's own."""
    return ApiError(500, "the gateway failed; its log says why")


def unavailable() -> ApiError:
    """The database is away; the answer says when to try again."""
    headers = {"Retry-After": str(RETRY_S)}
    return ApiError(503, "the database can't be reached right now; try again in a few seconds", headers=headers)


def not_found(kind: str, name: str) -> ApiError:
    """There is no such device, meter or spec."""
    fault = Problem(kind, f"no {kind} {name[:100]!r}", f"GET /api/v1/{kind}s lists them")
    return ApiError(404, f"there is no {kind} {name[:100]!r}", [fault])


def invalid(error: ValidationError, known: Sequence[str]) -> ApiError:
    """What a model with these `known` fields refused: 400 where it is no JSON at all, else 422."""
    faults = problems(error, known)
    status = 400 if error.errors(include_url=False)[0]["type"] == "json_invalid" else 422
    return ApiError(status, _sentence(faults[0]), faults)


def wrong(field: str, reason: str, fix: str) -> ApiError:
    """One field that breaks a rule which no model knows."""
    fault = Problem(field, reason, fix)
    return ApiError(422, _sentence(fault), [fault])


def wrongs(faults: Sequence[Problem]) -> ApiError:
    """Fields that break such rules, at least one."""
    return ApiError(422, _sentence(faults[0]), faults)


def refused(error: ContractError) -> ApiError:
    """A field of the request that a parser of ours refused."""
    return wrong(error.field, error.reason, error.fix)


def _sendable(text: str) -> str:
    """What can be sent as UTF-8: a header that is none comes with lone surrogates, and may be quoted."""
    return text.encode(errors="replace").decode()


def _sentence(fault: Problem) -> str:
    return f"{fault.field}: {fault.reason}" + (f"; {fault.fix}" if fault.fix else "")
