"""How people write and read things, on the command line and in the console alike."""

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NoReturn


def when(at: str | datetime | None, *, seconds: bool = True) -> str:
    """A time in UTC, marked so, to the second or the minute; '' for none."""
    if not at:
        return ""
    given = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{given.astimezone(UTC):{'%Y-%m-%d %H:%M:%SZ' if seconds else '%Y-%m-%d %H:%MZ'}}"


def typed_pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE as people type it: JSON where it reads as such, else text. Raises ValueError."""
    name, equals, value = text.strip().partition("=")
    if not (name.strip() and equals):
        raise ValueError(f"{text.strip()[:80]!r} names no value; write NAME=VALUE")
    try:
        return name.strip(), json.loads(value, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return name.strip(), value.strip()


def _finite(digits: str) -> float:
    # 1e999, which Python reads as Infinity
    return found if isfinite(found := float(digits)) else _no_number(digits)


def _no_number(name: str) -> NoReturn:
    # NaN and Infinity, which JSON has not, and nobody could be sent
    raise ValueError(name)
