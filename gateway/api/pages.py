"""Pages of lists, and the places where they begin."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from gateway.faults import invalid
from gateway.models import PageQuery, encode_cursor

CURSOR_FIX: Final = "take `next` of the page before, or leave it out"
Row = TypeVar("Row")
END: Final = datetime(9999, 12, 31, tzinfo=UTC)


def timed_cursor(cursor: list[Any] | None) -> tuple[datetime, int]:
    """The time and number behind which a page begins; the end of time without a cursor. Raises Refusal."""
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
    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)


def text_cursor(query: PageQuery) -> str:
    """The name after which a page begins. Raises Refusal for a cursor of another list."""
    if query.cursor is None:
        return ""
    match query.cursor:
        case [str() as name] if "\0" not in name:
            return name
    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)


def page_of(rows: Sequence[Row], limit: int, *key: str) -> tuple[tuple[Row, ...], str | None]:
    """The rows of a page of which one more was asked for, and the cursor of the next page by the fields of `key`."""
    page = tuple(rows[:limit])
    if len(rows) <= limit:
        return page, None
    last = (getattr(page[-1], name) for name in key)
    return page, encode_cursor(*(value.isoformat() if isinstance(value, datetime) else value for value in last))
