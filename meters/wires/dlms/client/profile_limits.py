"""The limits of a range as the meter's own clock has them, also where an hour of its clock occurs twice. Pure."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from meters.wires.dlms.axdr import Node, read
from meters.wires.dlms.client.services import Got
from meters.wires.dlms.clock import read_clock
from meters.wires.encode.dlms import clock

_SUMMER: Final = 0x80
_UNKNOWN: Final = -0x8000
_NEAR: Final = timedelta(hours=3)
_HOUR: Final = timedelta(hours=1)


def limits(start_at: datetime, end_at: datetime, zone: tzinfo, stated: Got) -> tuple[bytes, bytes]:
    """Start and end of a range (aware) for a meter whose own time stands in `stated`.

    A clock without deviation from UTC has an hour twice: by its stamps the second pass of it begins before the first
    one ends, and a range with a limit there may be empty, or begin with rows of which nobody can say the pass. Such a
    limit is moved out of it, an hour and more away; what comes beside the range is known by its order.
    """
    if states_offset(stated):
        return clock_octets(start_at, zone, stated), clock_octets(end_at, zone, stated)
    began, ended = _turned_back(start_at, zone), _turned_back(end_at, zone)
    if began is not None and began[0] <= start_at < began[1]:
        start_at = began[0] - _HOUR
    if ended is not None and ended[0] <= end_at < ended[1]:
        end_at = ended[1]
    return clock_octets(start_at, zone, stated), clock_octets(end_at, zone, stated)


def clock_octets(at: datetime, zone: tzinfo, stated: Got) -> bytes:
    """An instant as the meter's clock would state it, whose own time stands in `stated`."""
    local = at.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    deviation_min = -int(offset.total_seconds() // 60) if states_offset(stated) else _UNKNOWN
    return clock(local.replace(tzinfo=None), deviation_min, _SUMMER if local.dst() else 0)


def instant_of(node: Node, zone: tzinfo) -> datetime | None:
    """A stamp as an instant, of two that it may mean the earlier one; None for what is no stamp."""
    stamp = read_clock(node) if isinstance(node, bytes) else None
    if stamp is None:
        return None
    try:
        return stamp.at or stamp.local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def states_offset(stated: Got) -> bool:
    """Whether a meter's clock says how far it is from UTC."""
    node = read(stated, 0)[0] if isinstance(stated, bytes) else None
    own = read_clock(node) if isinstance(node, bytes) else None
    return own is not None and own.at is not None


def _turned_back(near_at: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """When the clock time that occurs twice near an instant began and ended, aware UTC; None where none does."""
    near_at = near_at.astimezone(UTC)
    early, late = near_at - _NEAR, near_at + _NEAR
    twice = _offset(early, zone) - _offset(late, zone)
    if twice <= timedelta():
        return None
    before = _offset(early, zone)
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        early, late = (middle, late) if _offset(middle, zone) == before else (early, middle)
    turned_at = late.replace(microsecond=0)
    return turned_at - twice, turned_at + twice


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
