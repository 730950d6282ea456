"""The event log object of the simulated polled meter: a profile generic of clock and event code, without a period."""

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Final

from device.simulator.dlms.cosem_server import Value
from device.simulator.log_book import LogBook, Logged
from meters.wires.dlms.axdr import Node
from meters.wires.dlms.client.reading import CLOCK, DATA
from meters.wires.dlms.client.services import Refused
from meters.wires.dlms.clock import read_clock
from meters.wires.encode.dlms import array, code, integer, octets, structure

STANDARD_LOG: Final = "0-0:99.98.0"
_COLUMNS: Final = ((CLOCK, "0-0:1.0.0"), (DATA, "0-0:96.11.0"))
_DENIED, _OTHER = 3, 250

Stamp = Callable[[int, tzinfo], bytes]


def log_object(log: LogBook, now: Callable[[], int], zone: tzinfo, stamp: Stamp, *, ranges: bool) -> Value:
    """The object, read by range and by entry; without `ranges` by entry only."""

    def read(index: int, selector: int, selected: Node) -> bytes | Refused:
        if index == 2:
            if selector == 1 and not ranges:
                return Refused(_OTHER)
            rows = _selected(log, now(), zone, selector, selected)
            return array(*(structure(octets(stamp(row.second, zone)), integer(row.code or 0, 1)) for row in rows))
        columns = (structure(integer(k, 2), octets(code(n)), integer(2, -1), integer(0, 2)) for k, n in _COLUMNS)
        attributes = {3: array(*columns), 4: integer(0), 7: integer(len(log.between(0, now(), now())))}
        return attributes.get(index, Refused(_DENIED))

    return read


def _selected(log: LogBook, now: int, zone: tzinfo, selector: int, selected: Node) -> Sequence[Logged]:
    if not selector or not isinstance(selected, list) or len(selected) != 4:
        return log.between(0, now, now)
    if selector == 2:
        first, last = (one[0] if isinstance(one, tuple) else 0 for one in selected[:2])
        return log.newest(first, last, now)
    since, until = (_second(one, zone) for one in selected[1:3])
    return log.between(since, until, now)


def _second(limit: Node, zone: tzinfo) -> int:
    at = read_clock(limit) if isinstance(limit, bytes) else None
    if at is None:
        return 0
    return int((at.at or at.local.replace(tzinfo=zone).astimezone(UTC)).timestamp())
