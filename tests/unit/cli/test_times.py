"""Times on the command line."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.times import instant

NOW = datetime(2026, 11, 28, 14, 30, tzinfo=timezone(timedelta(hours=1)))
AT = datetime(2026, 11, 28, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", AT),
        ("-90s", AT - timedelta(seconds=90)),
        ("-30m", AT - timedelta(minutes=30)),
        ("-24h", AT - timedelta(days=1)),
        ("-7d", AT - timedelta(days=7)),
        ("-2w", AT - timedelta(days=14)),
        (" -7D ", AT - timedelta(days=7)),
        ("today", datetime(2026, 11, 28, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00:00+02:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
    ],
)
def test_what_is_a_time(text: str, at: datetime) -> None:
    """Instants, dates, days by name and how long ago, all as UTC."""
    assert instant(text, NOW) == at


@pytest.mark.parametrize(
    "text", ["", "-", "7d", "-7", "-7y", "-\u0667d", "last week", "2026-13-01", "-999999w", "25:00"]
)
def test_what_is_none(text: str) -> None:
    """The refusal says what to write."""
    with pytest.raises(ValueError, match="is no time; write 2026-11-23"):
        instant(text, NOW)
