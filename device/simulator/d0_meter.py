"""A simulated meter of IEC 62056-21 mode D (6.4.5) that leaves its units out, as plain optical heads do."""

from typing import Any, Final

from device.simulator.meter import PushingMeter
from meters.wires.encode.iec62056 import encode_iec62056

IDENTIFICATION: Final = "QVX5eNova_S1"
"""Of a maker and a product that no catalogue has."""


class SimulatedD0Meter(PushingMeter):
    """Pushes at 9600 7E1 without being asked; registers come in kWh, power in kW, and no line says so."""

    baud = 9600

    def __init__(self, *, identification: str = IDENTIFICATION, **options: Any) -> None:
        super().__init__(**options)
        self.identification = identification

    def _encode(self) -> bytes:
        registers = self.registers
        volts = registers.household.voltages_dv(registers.second - 1)
        power_w = registers.power_w
        lines = [
            f"1-0:0.0.0*255({self.serial})",
            f"1-0:1.8.0*255({_kwh(registers.import_ws)})",
            f"1-0:2.8.0*255({_kwh(registers.export_ws)})",
            f"1-0:16.7.0*255({'-' if power_w < 0 else ''}{abs(power_w) / 1000:07.3f})",
            *(f"1-0:{code}.7.0*255({dv / 10:.1f})" for code, dv in zip((32, 52, 72), volts, strict=True)),
            "0-0:96.8.0*255(000A41F2)",
        ]
        return encode_iec62056(lines, identification=self.identification, block=False, parity=True)


def _kwh(watt_seconds: int) -> str:
    # tens of mWh, as optical heads have it: 0,00001 kWh
    steps = watt_seconds // 36
    return f"{steps // 100_000:06d}.{steps % 100_000:05d}"
