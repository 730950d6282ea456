"""Times as a person types them: an instant, a date, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_AGO: Final = re.compile(r"-(\d{1,6})(s|m|h|d|w)", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS: Final = {"today": 0, "yesterday": 1}
WANTED: Final = "2026-11-23, 2026-11-23T10:00:00Z, -7d, -24h, -30m, now, today or yesterday"


def instant(text: str, now: datetime) -> datetime:
    """The instant that a text names, aware UTC; what names no offset, and a day's beginning, are UTC.

    `-7d` is seven times 24 hours ago (s, m, h, d, w). Raises ValueError.
    """
    word = text.strip().lower()
    ago = _AGO.fullmatch(word)
    try:
        if ago is not None:
            return now.astimezone(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if word == "now":
            return now.astimezone(UTC)
        if word in _DAYS:
            midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            return midnight - timedelta(days=_DAYS[word])
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:60]!r} is no time; write {WANTED}") from error


class Time(click.ParamType[str]):
    """An instant on the command line, as the API takes it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it by the clock of now."""
        try:
            return instant(str(value), datetime.now(UTC)).isoformat()
        except ValueError as error:
            self.fail(str(error), param, ctx)
