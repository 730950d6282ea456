"""The event log of a simulated meter, as P.98 of IEC 62056-21 gives it (VDEW 2.1) and as a profile generic of DLMS."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from device.simulator.profile_memory import POWER_DOWN, POWER_UP, ZONE
from meters.wires.iec62056_dataset import PAIR, iec_stamp

EVENT_CODE: Final = "0-0:C.11.0"
_DOWN, _UP = 1, 2


@dataclass(frozen=True, slots=True)
class Logged:
    """What happened at a time (seconds since 1970): a status word, a code beside it, and other columns."""

    second: int
    status: int = 0
    code: int | None = None
    columns: tuple[tuple[str, str], ...] = ()


class LogBook:
    """Entries in the order of their times: failures of the power, and `others`.

    With `coded` what happened stands in a column of event codes, as Metcom has it, else in the status word.
    """

    def __init__(
        self, failures: Iterable[tuple[int, int]] = (), others: Iterable[Logged] = (), *, coded: bool = False
    ) -> None:
        self._coded = coded
        self._entries = list(others)
        for began, ended in failures:
            self._entries += [Logged(began, POWER_DOWN, _DOWN), Logged(ended, POWER_UP, _UP)]
        self._entries.sort(key=lambda one: one.second)

    def add(self, entry: Logged) -> None:
        """Something happens; a clock that is set back enters an older time behind a newer one."""
        self._entries.append(entry)

    def between(self, since: int, until: int, now: int) -> Sequence[Logged]:
        """The entries of a time, both ends included."""
        return [one for one in self._entries if since <= one.second <= min(until, now)]

    def newest(self, first: int, last: int, now: int) -> Sequence[Logged]:
        """The entries from one number to another, 1 being the oldest; `last` 0 is the newest."""
        there = self.between(0, now, now)
        return there[max(0, first - 1) : last or None]

    def answer(self, asked: str, now: int) -> str:
        """The answer to `P.98(from;to)`, either of them left out where it is open."""
        groups = [value for _, value in PAIR.findall(asked)]
        since, until = (_second(text) for text in (groups[0] if groups else "").partition(";")[::2])
        found = self.between(0 if since is None else since, now if until is None else until, now)
        return "".join(map(self._text, found)) or "P.98(ERROR)\r\n"

    def _text(self, entry: Logged) -> str:
        local = datetime.fromtimestamp(entry.second, ZONE)
        stamp = f"{'1' if local.dst() else '0'}{local:%y%m%d%H%M%S}"
        coded = self._coded and entry.code is not None
        columns = (*(((EVENT_CODE, str(entry.code)),) if coded else ()), *entry.columns)
        status = "00" if coded else f"{entry.status:08X}"
        heads = "".join(f"({name})()" for name, _ in columns) + "".join(f"({text})" for _, text in columns)
        return f"P.98({stamp})({status})()({len(columns)}){heads}\r\n"


def _second(text: str) -> int | None:
    stamp = iec_stamp(text.ljust(13, "0") if len(text) % 2 else text)
    if stamp is None:
        return None
    at = stamp.at or stamp.local.replace(tzinfo=ZONE).astimezone(UTC)
    return int(at.timestamp())
