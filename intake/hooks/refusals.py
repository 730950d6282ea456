"""Why a post is refused: the status, the word of the metric, and what the sender may do about it."""

import json
import math
from dataclasses import dataclass
from typing import Final

from broker.errors import WattlineError
from intake.inbox.payload import InboxAwayError, InboxError, InboxFullError, KeyReusedError, PayloadRefusedError

TITLES: Final = {
    400: "The body is damaged",
    401: "Not proved",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The body took too long",
    413: "Too large",
    415: "Not taken in this form",
    422: "The request is not valid",
    429: "Too many requests",
    500: "The intake failed",
    503: "Nothing can be kept right now",
}
REASONS: Final = (
    "unknown", "unproved", "replayed", "forbidden", "guesses", "rate", "full", "away", "unusable", "too_large",
    "damaged", "encoding", "content_type", "key", "slow", "refused", "method", "left", "failed",
)  # fmt: skip
"""The words of the metric."""


@dataclass(slots=True)
class HookRefusal(WattlineError):  # noqa: N818 - a sender is refused; nothing has failed
    """A post that is not taken: `field` is wrong, `fix` would do, after `retry_after_s` it may come again."""

    status: int
    reason: str
    """One of REASONS."""
    detail: str
    field: str = ""
    fix: str = ""
    retry_after_s: float | None = None
    is_proved: bool = False
    """Whether the post was its source's: anybody may send one that is not."""

    def __str__(self) -> str:
        return self.detail

    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        found = {"Content-Type": "application/problem+json", "Server": "Wattline"}
        if self.retry_after_s is not None:
            found["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        if self.status == 405:
            found["Allow"] = "POST, PUT"
        return found

    def document(self) -> bytes:
        """The problem (RFC 9457), of the gateway's form."""
        found: dict[str, object] = {
            "type": f"urn:wattline:problem:{self.status}",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
        }
        if self.field:
            found |= {
                "field": self.field,
                "errors": [{"field": self.field, "reason": self.detail, "fix": self.fix}],
            }
        # headers that are no UTF-8 come with lone surrogates, and may be quoted
        return json.dumps(found).encode(errors="replace")


def refusal_of(error: InboxError) -> HookRefusal:
    """What a sender is told where the inbox does not take its post."""
    match error:
        case InboxFullError():
            return HookRefusal(429, "full", error.reason, "request", "send it again later", error.retry_after_s)
        case KeyReusedError():
            return HookRefusal(422, "key", error.reason, "request", "give each post a key of its own")
        case PayloadRefusedError():
            return HookRefusal(422, "refused", error.reason, "request", "change it")
        case InboxAwayError() | _:
            return HookRefusal(503, "away", error.reason, "", "", error.retry_after_s)
