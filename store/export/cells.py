"""How values stand in cells of CSV, whichever program opens the file. Pure functions."""

from datetime import UTC, datetime
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets take for a formula (OWASP, CSV injection)."""


def cell(value: Any) -> Any:
    """A value as CSV has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        # names come from meters, and a spreadsheet would run what begins like a formula
        return "'" + value
    return value
