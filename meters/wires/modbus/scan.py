"""Which units answer on a Modbus line: each of a range is asked once for a register, and any answer counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from meters.wires.iec62056_signon import Action, Done, Failed, Send
from meters.wires.modbus.frames import FIRST_UNIT, INPUT, LAST_UNIT, Read
from meters.wires.modbus.session import ModbusSession, one_by_one

ASKED: Final = Read(INPUT, 0, 2)
"""An exception is an answer, too: any unit has one for this."""


@dataclass(slots=True)
class ModbusScan:
    """A search of units within bounds: `start`, then `feed` and `timeout` as a session has them, until `over`."""

    units: Iterable[int] = range(FIRST_UNIT, LAST_UNIT + 1)
    baud: int = 9600
    tcp: bool = False
    found: list[int] = field(default_factory=list)
    over: bool = False
    _todo: list[int] = field(default_factory=list)
    _unit: int = 0
    _session: ModbusSession | None = None

    @property
    def deadline_s(self) -> float:
        """How long to wait, after the last action or byte heard, before timeout() is called."""
        return self._session.deadline_s if self._session else 0.0

    def start(self) -> list[Send]:
        """Begin the search."""
        self._todo = [unit for unit in self.units if FIRST_UNIT <= unit <= LAST_UNIT]
        return self._next()

    def feed(self, data: bytes) -> list[Send]:
        """Take what was heard."""
        return self._passed(self._session.feed(data)) if self._session else []

    def timeout(self) -> list[Send]:
        """Silence for deadline_s: nobody is there, or answers to this."""
        return self._passed(self._session.timeout()) if self._session else []

    def _passed(self, actions: list[Action]) -> list[Send]:
        sends = [action for action in actions if isinstance(action, Send)]
        if any(isinstance(action, Done) for action in actions):
            self.found.append(self._unit)
            return self._next()
        return self._next() if any(isinstance(action, Failed) for action in actions) else sends

    def _next(self) -> list[Send]:
        if not self._todo:
            self.over, self._session = True, None
            return []
        self._unit = self._todo.pop(0)
        self._session = ModbusSession(self._unit, one_by_one([ASKED]), baud=self.baud, tcp=self.tcp, patient=False)
        return [action for action in self._session.start() if isinstance(action, Send)]
