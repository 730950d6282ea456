"""The small language in which specs say how a meter writes a stamp: `YYMMDDhhmmss`, `YYYY-MM-DD&hh:mm`."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from meters.telegram import MeterTime

_TOKENS: Final = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<year2>\d{2})",
    "MM": r"(?P<month>\d{2})",
    "DD": r"(?P<day>\d{2})",
    "hh": r"(?P<hour>\d{2})",
    "mm": r"(?P<minute>\d{2})",
    "ss": r"(?P<second>\d{2})",
    "S": r"(?P<letter>[SW])",
    "s": r"(?P<season>[012])",
}
_PARTS: Final = ("month", "day", "hour", "minute", "second")
_TOKEN: Final = re.compile("|".join(_TOKENS))


def parse_stamp(text: str, layout: str) -> MeterTime | None:
    """Read a stamp by a layout of the time section; None where the text is no such time."""
    match = _layout(layout).fullmatch(text.strip())
    if match is None:
        return None
    found = match.groupdict()
    year = int(found["year"]) if found.get("year") else 2000 + int(found.get("year2") or 0)
    month, day, hour, minute, second = (int(found.get(name) or 0) for name in _PARTS)
    try:
        local = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  (naive on purpose: the zone comes from the spec)
    except ValueError:
        return None
    if found.get("season") == "2":
        return MeterTime(local, None, local.replace(tzinfo=UTC))
    season = found.get("season") or found.get("letter")
    return MeterTime(local, None if season is None else season in ("1", "S"))


def write_stamp(local: datetime, layout: str, season: str) -> str:
    """A wall-clock time as a layout has it; `season` is what stands for `s`: 0 winter, 1 summer, 2 UTC."""
    texts = {
        "YYYY": f"{local:%Y}", "YY": f"{local:%y}", "MM": f"{local:%m}", "DD": f"{local:%d}", "hh": f"{local:%H}",
        "mm": f"{local:%M}", "ss": f"{local:%S}", "S": "S" if season == "1" else "W", "s": season,
    }  # fmt: skip
    return _TOKEN.sub(lambda token: texts[token.group()], layout)


@lru_cache(maxsize=64)
def _layout(layout: str) -> re.Pattern[str]:
    pieces, place = [], 0
    for token in _TOKEN.finditer(layout):
        pieces += [re.escape(layout[place : token.start()]), _TOKENS[token.group()]]
        place = token.end()
    return re.compile("".join([*pieces, re.escape(layout[place:])]), re.ASCII)


def check_layout(layout: str) -> None:
    """Raise ValueError where a layout names no date or a part twice."""
    try:
        pattern = _layout(layout)
    except re.error as error:
        raise ValueError(f"{layout}: a part stands twice") from error
    if not {"month", "day", "hour", "minute"} <= pattern.groupindex.keys():
        raise ValueError(f"{layout}: wants at least a month MM, a day DD, hours hh and minutes mm")
