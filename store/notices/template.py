"""The text of a message: words with names in braces, nothing more, and never longer than a channel takes."""

import re
from collections.abc import Mapping
from typing import Final

MAX_TEMPLATE: Final = 2000
MAX_TITLE: Final = 200
MAX_TEXT: Final = 4000
FIELDS: Final = (
    "rule", "kind", "state", "says", "severity", "count", "device", "meter", "since", "value", "subjects", "detail",
    "obis", "unit", "side", "limit",
)  # fmt: skip
"""What can stand in braces; of several at once `device`, `meter`, `since`, `value` and `detail` are the first's.

The last four are a threshold's; elsewhere they are empty.
"""
TITLE: Final = "Wattline: {says} {subjects}"
TEXT: Final = "{severity}: {says} {count} at once: {subjects}. Since {since}. {detail}"
_FIELD: Final = re.compile(r"\{([^{}]*)\}")


def unknown_fields(template: str) -> list[str]:
    """Names in braces that are none of FIELDS, and a brace that stands alone."""
    found = [name for name in _FIELD.findall(template) if name not in FIELDS]
    return found + [brace for brace in "{}" if brace in _FIELD.sub("", template)]


def filled(template: str, values: Mapping[str, object], limit: int) -> str:
    """The words with their values, without control characters, cut at `limit` characters.

    A value is never read as a template: what a device says can ask for nothing.
    """
    text = _FIELD.sub(lambda name: _plain(values.get(name[1], "")), template)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plain(value: object) -> str:
    return "".join(one if one.isprintable() else " " for one in str("" if value is None else value))
