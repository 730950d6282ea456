"""Time zones by their IANA names, as parameters and specs state them."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@lru_cache(maxsize=64)
def zone_info(name: str) -> ZoneInfo:
    """The zone of a name. Raises ValueError, which says how to write one, where there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name[:64]} is no IANA zone; write for example Europe/Berlin") from error


def known_zone(name: str) -> str:
    """The name, where it is a zone's. Raises ValueError where it is none."""
    zone_info(name)
    return name


def known_zone_or_none(name: str) -> str:
    """The name, where it is a zone's or empty. Raises ValueError where it is neither."""
    return known_zone(name) if name else name
