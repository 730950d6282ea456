"""Places in lists that are ordered by time and a number."""

from datetime import UTC, datetime
from typing import Any, Final

from gateway.api_devices import CURSOR_FIX
from gateway.problem import wrong

END: Final = datetime(9999, 12, 31, tzinfo=UTC)


def timed_cursor(cursor: list[Any] | None) -> tuple[datetime, int]:
    """The time and number behind which a page begins; the end of time without a cursor. Raises ApiError."""
    match cursor:
        case None:
            return END, 0
        case [str() as text, int() as number] if 0 <= number < 2**62:
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                at = None
            if at is not None and at.tzinfo is not None and at.year > 1:
                return at, number
    raise wrong("cursor", "this is no cursor of this list", CURSOR_FIX)
