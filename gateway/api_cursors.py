"""Pages of lists, and the places where they begin."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway.api_models import PageQuery, encode_cursor
from gateway.problem import wrong

CURSOR_FIX: Final = "take `next` of the page before, or leave it out"
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


def text_cursor(query: PageQuery) -> str:
    """The name after which a page begins. Raises ApiError for a cursor of another list."""
    if query.cursor is None:
        return ""
    match query.cursor:
        case [str() as name] if "\0" not in name:
            return name
    raise wrong("cursor", "this is no cursor of this list", CURSOR_FIX)


def page_of(rows: Sequence[Any], limit: int, *key: str) -> tuple[Sequence[Any], str | None]:
    """The rows of a page of which one more was asked for, and the cursor of the next page by the columns of `key`."""
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    last = (page[-1][name] for name in key)
    return page, encode_cursor(*(value.isoformat() if isinstance(value, datetime) else value for value in last))
