"""A refusal becomes an answer, a metric, a line of the log, and for people who look after the source an event."""

import time
from collections import Counter
from typing import Final

import structlog
from aiohttp import web

from intake.hooks.metrics import HookMetrics
from intake.hooks.refusals import HookRefusal
from intake.notices.notices import Notices

log = structlog.get_logger()
LOG_EVERY_S: Final = 60.0
"""One line for each reason in this time: a flood must not become one of the log."""
TOLD: Final = frozenset(
    {"unproved", "replayed", "forbidden", "rate", "unusable", "too_large", "damaged", "encoding", "content_type", "key",
     "slow", "refused"}
)  # fmt: skip
"""What people of the source can mend, of REASONS; all else comes of our state, or of a sender that left."""
OWN: Final = frozenset({"unusable", "rate"})
"""What is true of the source whoever posts: a rate is used up by what was proved alone."""
EVENT: Final = "source_posts_refused"
UNPROVED: Final = "source_posts_unproved"
"""Of posts that anybody may have sent: no fault of the source."""


class Refusing:
    """Answers what is refused; each kind of a source's refusals is told once an hour, with how many there were."""

    def __init__(self, metrics: HookMetrics, notices: Notices) -> None:
        self._metrics = metrics
        self._notices = notices
        self._logged_s: dict[str, float] = {}
        self._untold: Counter[tuple[str, str, str]] = Counter()

    def answer(self, request: web.BaseRequest, refusal: HookRefusal, place: str, source: str | None) -> web.Response:
        """The answer to a request of this address, to a source that is there or to none."""
        self._metrics.refused.labels(refusal.reason).inc()
        now_s = time.monotonic()
        if now_s - self._logged_s.get(refusal.reason, float("-inf")) >= LOG_EVERY_S:
            self._logged_s[refusal.reason] = now_s
            log.warning(
                "post_refused", reason=refusal.reason, status=refusal.status, path=request.path[:100], address=place,
                detail=refusal.detail,
            )  # fmt: skip
        if source is not None and refusal.reason in TOLD:
            is_faulty = refusal.is_proved or refusal.reason in OWN
            if not is_faulty:
                self._metrics.unproved.inc()
            self._tell(source, EVENT if is_faulty else UNPROVED, refusal, place)
        response = web.Response(body=refusal.document(), status=refusal.status, headers=refusal.headers())
        if refusal.status in (400, 408, 413) and not request.content.is_eof():
            # the rest of the body is not worth waiting for
            response.force_close()
        return response

    def _tell(self, source: str, event: str, refusal: HookRefusal, place: str) -> None:
        key = (source, event, refusal.reason)
        self._untold[key] += 1
        if self._notices.tell(
            source, event, kind=refusal.reason, reason=refusal.detail, word=refusal.reason, status=refusal.status,
            address=place, posts=self._untold[key],
        ):  # fmt: skip
            del self._untold[key]
