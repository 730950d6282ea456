"""Answers of the HTTP API that are errors, as problem+json (RFC 9457), and the status of each kind of refusal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import hdrs, web

from gateway import models
from gateway.faults import Fault, Kind, Refusal
from store.errors import DATABASE_ERRORS, heals, refuses_data

STATUS: Final = {
    Kind.MALFORMED: 400,
    Kind.UNIDENTIFIED: 401,
    Kind.FORBIDDEN: 403,
    Kind.UNKNOWN: 404,
    Kind.CONFLICT: 409,
    Kind.STALE: 412,
    Kind.INVALID: 422,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
}
"""What each kind of refusal is over HTTP."""
TITLES: Final = {
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
    499: "The client left",
    500: "The gateway failed",
    503: "The database can't be reached",
}


def status_of(error: Exception) -> int:
    """The status by which an error is answered: what the database says of data and of itself is not our failure."""
    if isinstance(error, Refusal):
        return STATUS[error.kind]
    if isinstance(error, DATABASE_ERRORS):
        return 422 if refuses_data(error) else 503 if heals(error) else 500
    return 500


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is an error; `faults` name the fields, and `current` is what holds now, with 412."""

    status: int
    detail: str
    faults: tuple[Fault, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    current: dict[str, Any] | None = None

    @classmethod
    def of(cls, refusal: Refusal) -> "Problem":
        """What HTTP says of a refusal."""
        headers: dict[str, str] = {}
        if refusal.kind is Kind.UNIDENTIFIED:
            headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        if refusal.retry_after_s is not None:
            headers[hdrs.RETRY_AFTER] = str(refusal.retry_after_s)
        if refusal.etag:
            headers[hdrs.ETAG] = refusal.etag
        current = None if refusal.current is None else dict(refusal.current)
        return cls(STATUS[refusal.kind], refusal.detail, refusal.faults, headers, current)

    @property
    def title(self) -> str:
        """The kind of error, in a few words."""
        return TITLES.get(self.status, "Refused")

    def response(self) -> web.Response:
        """The answer that reports it."""
        document = models.ProblemDocument(
            type=f"urn:wattline:problem:{self.status}",
            title=self.title,
            status=self.status,
            detail=_sendable(self.detail),
            field=_sendable(self.faults[0].field) if self.faults else None,
            errors=tuple(
                models.Fault(field=_sendable(fault.field), reason=_sendable(fault.reason), fix=fault.fix)
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


def failed() -> Problem:
    """A fault of the gateway's own."""
    return Problem(500, "the gateway failed; its log says why")


def _sendable(text: str) -> str:
    """What can be sent as UTF-8: a header that is none comes with lone surrogates, and may be quoted."""
    return text.encode(errors="replace").decode()
