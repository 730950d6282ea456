"""How times are written for people, on the command line and in the console alike."""

from datetime import UTC, datetime


def when(at: str | datetime | None, *, seconds: bool = True) -> str:
    """A time in UTC, marked so, to the second or the minute; '' for none."""
    if not at:
        return ""
    given = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{given.astimezone(UTC):{'%Y-%m-%d %H:%M:%SZ' if seconds else '%Y-%m-%d %H:%MZ'}}"
