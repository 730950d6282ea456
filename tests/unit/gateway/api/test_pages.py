"""Where pages of lists begin and end."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.api.pages import END, page_of, text_cursor, timed_cursor
from gateway.faults import Kind, Refusal
from gateway.models import PageQuery, encode_cursor

AT = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "cursor", [None, [AT.isoformat(), 0], [AT.isoformat(), 2**62 - 1], ["2026-11-23T10:15:00Z", 7]]
)
def test_a_place_in_time_is_read(cursor: list[Any] | None) -> None:
    """The end of time without one: the newest come first."""
    assert timed_cursor(cursor) == ((END, 0) if cursor is None else (AT, cursor[1]))


@pytest.mark.parametrize(
    "cursor",
    [
        [],
        ["d1"],
        [AT.isoformat()],
        [AT.isoformat(), "7"],
        [AT.isoformat(), -1],
        [AT.isoformat(), 2**62],
        ["yesterday", 7],
        ["2026-11-23T10:15:00", 7],
        ["0001-01-01T00:00:00Z", 7],
        [7, AT.isoformat()],
    ],
)
def test_a_place_that_is_none_in_time_is_refused(cursor: list[Any]) -> None:
    """A cursor of another list, one out of range for the store, one without a zone: the field and the fix are named."""
    with pytest.raises(Refusal) as refused:
        timed_cursor(cursor)
    [fault] = refused.value.faults
    assert (refused.value.kind, fault.field) == (Kind.INVALID, "cursor")
    assert "`next`" in str(fault.fix)


@pytest.mark.parametrize(("text", "place"), [(None, ""), (encode_cursor("d1"), "d1"), (encode_cursor("ä b"), "ä b")])
def test_a_place_by_name_is_read(text: str | None, place: str) -> None:
    """From the first name where there is none."""
    assert text_cursor(PageQuery(cursor=text)) == place


@pytest.mark.parametrize("key", [(), (7,), ("d1", 7), ("a\0b",), (None,)])
def test_a_place_that_is_no_name_is_refused(key: tuple[Any, ...]) -> None:
    """PostgreSQL's text holds no NUL, and a cursor of another list names nothing here."""
    with pytest.raises((Refusal, ValidationError), match="cursor"):
        text_cursor(PageQuery(cursor=encode_cursor(*key)))


@pytest.mark.parametrize(("rows", "limit", "left"), [(0, 2, False), (1, 2, False), (2, 2, False), (3, 2, True)])
def test_a_page_ends_where_one_more_was_found(rows: int, limit: int, left: bool) -> None:
    """Without that one more there is no next page; with it the next begins behind the last that is shown."""
    found = [SimpleNamespace(at=AT, id=number) for number in range(rows)]
    page, following = page_of(found, limit, "at", "id")
    assert page == tuple(found[:limit])
    assert (following is not None) is left
    if following:
        assert timed_cursor(PageQuery(cursor=following).cursor) == (AT, limit - 1)
