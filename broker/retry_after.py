"""How long somebody who was asked wants to be left alone. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(text: str | None, now: datetime, most_s: float) -> float | None:
    """Seconds of a Retry-After (RFC 9110 10.2.3): a number or a date, at most `most_s`; None for all else."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text.strip()[:9]), most_s)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), most_s)
