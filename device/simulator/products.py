"""Which simulated meters there are: by protocol, and by product of the catalogue. A registry, no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from device.simulator.d0_meter import SimulatedD0Meter
from device.simulator.dlms import SimulatedDlmsMeter, SimulatedPolledDlmsMeter
from device.simulator.iec_meter import SimulatedIecMeter
from device.simulator.mbus_meter import SimulatedMbusMeter
from device.simulator.meter import SimulatedMeter
from device.simulator.modbus_meter import SimulatedModbusMeter
from device.simulator.p1_meter import SimulatedP1Meter
from device.simulator.sml_meter import SimulatedSmlMeter


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of simulated meter: its class, the serial that one has where none is given, and what makes it this one."""

    kind: type[SimulatedMeter]
    serial: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, serial: str | None = None, **options: Any) -> SimulatedMeter:
        """A meter of this kind. Raises PermanentError where it can't carry the serial."""
        return self.kind(serial=self.serial if serial is None else serial, **self.options, **options)


PROTOCOLS: Final[Mapping[str, Model]] = {
    "p1": Model(SimulatedP1Meter, "E0044007133156018"),
    "sml": Model(SimulatedSmlMeter, "0067362659"),
    "iec62056-21": Model(SimulatedIecMeter, "12345678"),
    "dlms": Model(SimulatedDlmsMeter, "6970631401234567"),
    "dlms-polled": Model(SimulatedPolledDlmsMeter, "71823456"),
    "mbus": Model(SimulatedMbusMeter, "14839120"),
    "modbus": Model(SimulatedModbusMeter, "21346578"),
    "unknown": Model(SimulatedD0Meter, "40028157"),
}
PRODUCTS: Final[Mapping[str, Model]] = {
    "elster-as1440": Model(SimulatedIecMeter, "12345678", {"identification": r"ELS5\@V10.09"}),
    "emh-lzqj": Model(SimulatedIecMeter, "12345678", {"identification": r"EMH5\@01LZQJL0014F"}),
    "lgz-e650": Model(SimulatedIecMeter, "12345678", {"identification": r"LGZ5\2ZMD4104407.B32"}),
}
"""Meters of IEC 62056-21 whose load profile is read in programming mode, by the names of their specs."""
